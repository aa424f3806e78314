"""Parts of a fold that stay with the workers, put together there, so that only the root of a group comes home.

    batch --part--> |                            one group: some parts for each worker
    batch --part--> | merges on workers (tree) --root--> ending --> the next group's root --> ...
    batch --part--> |

What a part was made of is kept until the root that it is in has come: when a worker dies, what it held is made again
from that, and the other parts stay. So a group is bounded, in parts and in bytes, and so is what a death costs.

Which neighbouring parts of a fold are put together next. Pure: it starts nothing and waits for nothing.

Parts that came first are older, and larger once they have been put together, as the digits of a counter are:

    0 0 0 0 0 0 0 0 | 1   1   1   1   1   1   1   1 | 2 ...

As soon as `fan_in` neighbours of one level are there they become one of the next level, so that of n parts some
fan_in * log n are left. Only neighbours are put together, in their order, so `combine` need not commute.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from daglite.exceptions import ExecutionError, Failure, TransferError
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.redelivery import worker_died
from daglite.runtime.engines.worker_queues import WorkerQueue, new_seq
from daglite.runtime.kernel.errors import attempts_of, raise_blamed
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.kernel.work import PartialRef, WorkItem, WorkResult
from daglite.runtime.serialization.batch_format import reason_of

H = TypeVar("H")

# More would take fewer merges, and more memory in the worker that has all of them at once.
FAN_IN = 8


class TreeNode(Generic[H]):
    """A part, of the items at positions from `first` up to `end`."""

    __slots__ = ("busy", "end", "first", "level", "part")

    def __init__(self, first: int, end: int, part: H, level: int = 0) -> None:
        self.first = first
        self.end = end
        self.part = part
        self.level = level
        # Whether it is being put together with others.
        self.busy = False


class TreeMerge(NamedTuple, Generic[H]):
    """Neighbours that become one; with `home` nothing else is left, and what comes of them leaves the tree."""

    nodes: Sequence[TreeNode[H]]
    home: bool

    @property
    def range(self) -> tuple[int, int]:
        """The positions of the items that are in it."""
        return self.nodes[0].first, self.nodes[-1].end


class ReductionTree(Generic[H]):
    """The parts that there are. What is lost leaves a gap, which is filled when it has been made again."""

    def __init__(self, fan_in: int = FAN_IN) -> None:
        self.closed = False
        # The positions of all items that belong here.
        self.first = self.end = 0
        self._fan_in = fan_in
        self._nodes: list[TreeNode[H]] = []
        self._any = False

    def __len__(self) -> int:
        return len(self._nodes)

    def add(self, first: int, end: int, part: H) -> None:
        """A part is there, behind all others or where one was lost."""
        if not self._any:
            self.first = self.end = first
            self._any = True
        self.end = max(self.end, end)
        self._insert(TreeNode(first, end, part))

    def close(self) -> None:
        """No more parts will come, other than those that were lost."""
        self.closed = True

    def merge(self) -> TreeMerge[H] | None:
        """The next neighbours to be put together; they are busy from now on. None: there is nothing to do now."""
        if self.closed and self._whole():
            return self._begun(self._nodes, home=True)
        for run in self._runs():
            if len(run) >= self._fan_in:
                return self._begun(run[: self._fan_in], home=False)
        return None

    def done(self, merging: TreeMerge[H], part: H) -> None:
        """The neighbours are one part now."""
        first, end = merging.range
        self._take_out(merging.nodes)
        self._insert(TreeNode(first, end, part, 1 + max(node.level for node in merging.nodes)))

    def arrived(self, merging: TreeMerge[H]) -> None:
        """What came of the last ones has left."""
        self._take_out(merging.nodes)

    def lost(self, merging: TreeMerge[H], gone: Collection[int]) -> list[tuple[int, int]]:
        """It came to nothing: the nodes with these numbers are gone, the others are there as before.

        Returns the positions that must be made again.
        """
        for node in merging.nodes:
            node.busy = False
        missing = [merging.nodes[number] for number in sorted(gone)]
        self._take_out(missing)
        return [(node.first, node.end) for node in missing]

    def _insert(self, node: TreeNode[H]) -> None:
        nodes = self._nodes
        place = len(nodes)
        # As a rule it is the last one.
        while place and nodes[place - 1].first > node.first:
            place -= 1
        nodes.insert(place, node)

    def _take_out(self, nodes: Sequence[TreeNode[H]]) -> None:
        out = set(map(id, nodes))
        self._nodes = [node for node in self._nodes if id(node) not in out]

    def _whole(self) -> bool:
        """Whether few enough are left, with no gap and nothing under way."""
        nodes = self._nodes
        if not 0 < len(nodes) <= self._fan_in or nodes[0].first != self.first or nodes[-1].end != self.end:
            return False
        return not any(node.busy for node in nodes) and all(
            one.end == other.first for one, other in itertools.pairwise(nodes)
        )

    def _runs(self) -> Iterator[list[TreeNode[H]]]:
        """Neighbours that may be put together: of one level, as long as more will come."""
        run: list[TreeNode[H]] = []
        for node in self._nodes:
            fits = not run or (run[-1].end == node.first and (self.closed or run[-1].level == node.level))
            if node.busy or not fits:
                if run:
                    yield run
                run = []
            if not node.busy:
                run.append(node)
        if run:
            yield run

    def _begun(self, nodes: Sequence[TreeNode[H]], *, home: bool) -> TreeMerge[H]:
        merging = TreeMerge(tuple(nodes), home)
        for node in merging.nodes:
            node.busy = True
        return merging


# A part of fewer bytes is home sooner than it could be put together elsewhere; and larger ones come home as well where
# few workers make so few of them that they are no more than so many bytes a second.
LEAST, HOME = 256 * 1024, 100 * 1024 * 1024
# A group has so many parts for each worker, and so many at least.
_PER_WORKER, _LEAST_GROUP = 4, 32
# So many groups may wait for their roots, each with this share of the bytes that may be in flight.
_MOST_GROUPS, _SHARE = 3, 4
# So many times `worker_retries` merges of one group may lose their workers, whichever parts they had.
_DEATHS = 10


class RemotePartial(NamedTuple):
    """A part that stays with a worker, and what it was made of: cells from place `first` on."""

    held: PartialRef
    first: int
    cells: Sequence[object]
    nbytes: int


class _PartialGroup:
    """Parts that come home as one; or (`here`) a part that came home by itself."""

    def __init__(self, here: list[object] | None = None) -> None:
        self.tree: ReductionTree[PartialRef] = ReductionTree()
        # Where each begins in the order of the group, and what it was made of.
        self.leaves: list[tuple[int, RemotePartial]] = []
        self.nbytes = 0
        self.deaths: Counter[tuple[int, int]] = Counter()
        # The value, once it is home.
        self.root = here


class TreeReducer:
    """The groups of one fold, in their order. All of it happens under the lock of the loop."""

    def __init__(
        self,
        *,
        worker_queue: WorkerQueue,
        step: BoundStep,
        window: FlowControl,
        retries: int,
        nbytes: int,
        home: Callable[[object], None],
    ) -> None:
        """`home` takes the value of each group; raises `TransferError` when `combine` cannot be sent to a worker."""
        engine = worker_queue.engine
        self.keep = max(LEAST, int(HOME * engine.batch_policy.aim / engine.workers))
        self.send_again: Callable[[Sequence[tuple[int, Sequence[object]]]], None]
        self._worker_queue = worker_queue
        self._step = step
        self._program = worker_queue.install([step])
        self._window = window
        self._retries = retries
        self._most_bytes = nbytes // _SHARE
        self._most_parts = max(_LEAST_GROUP, _PER_WORKER * engine.workers)
        self._home = home
        self._groups: deque[_PartialGroup] = deque()
        self._open: _PartialGroup | None = None
        # The group, and the position in it, of items whose part is gone.
        self._lacking: dict[int, tuple[_PartialGroup, int]] = {}
        self._count = 0
        # Parts that stay with their workers, and wait for their turn to come here.
        self._early = 0

    @property
    def crowded(self) -> bool:
        """Whether parts should be put together, or come to their turn, before there are more of them."""
        return len(self._groups) > _MOST_GROUPS or self._early > self._most_parts

    def stay(self, part: RemotePartial) -> RemotePartial:
        """A part has stayed with its worker; it is added when it is its turn."""
        self._early += 1
        return part

    def busy(self) -> bool:
        """Whether anything has not come home."""
        return bool(self._groups)

    def add(self, part: object) -> None:
        """The next part: one that has stayed with its worker, or one that is here."""
        if not isinstance(part, RemotePartial):
            self.close()
            self._groups.append(_PartialGroup([part]))
            self._pass_on()
            return
        self._early -= 1
        # From now on all of them stay: one here between others there would part them.
        self.keep = 0
        group = self._open
        if group is None:
            group = self._open = _PartialGroup()
            self._groups.append(group)
        end = self._count + len(part.cells)
        group.tree.add(self._count, end, part.held)
        group.leaves.append((self._count, part))
        group.nbytes += part.nbytes
        self._count = end
        if len(group.leaves) >= self._most_parts or group.nbytes >= self._most_bytes:
            self.close()
        self._merge(group)

    def close(self) -> None:
        """The group that is open has all its parts."""
        if self._open is not None:
            group, self._open = self._open, None
            group.tree.close()
            self._merge(group)

    def lacks(self, place: int) -> bool:
        """Whether the part of this item is being made again."""
        return place in self._lacking

    def restore(self, first: int, count: int, held: PartialRef | None) -> None:
        """The part of these items is there again."""
        if held is None:
            raise ExecutionError("a worker could not keep the part of a fold; see its logs for the reason")
        group, position = self._lacking[first]
        for place in range(first, first + count):
            del self._lacking[place]
        group.tree.add(position, position + count, held)
        self._merge(group)

    def _merge(self, group: _PartialGroup) -> None:
        while (merging := group.tree.merge()) is not None:
            parts = [node.part for node in merging.nodes]
            # One that may have ended its worker gets one of its own.
            quarantined = group.deaths[merging.range] > 0
            keep = None if merging.home else 0
            work_item = WorkItem(
                new_seq(), self._program, "combine", (), 0, exclusive=quarantined, keep=keep, parts=parts
            )
            self._worker_queue.submit_first(work_item, partial(self._answered, group, merging))

    def _answered(self, group: _PartialGroup, merging: TreeMerge[PartialRef], work_result: WorkResult) -> None:
        if work_result.kind == "lost":
            self._lost(group, merging, work_result)
            return
        if work_result.error is not None:
            error, trace = work_result.error
            attempt = attempts_of(self._step.function, error)
            raise_blamed(error, self._failure(work_result, attempt, trace))
        if not merging.home:
            if work_result.held is None:
                raise ExecutionError("a worker could not keep the part of a fold; see its logs for the reason")
            group.tree.done(merging, work_result.held)
            self._merge(group)
            return
        group.tree.arrived(merging)
        (value,), bad = self._worker_queue.engine.codec.unpack(work_result.segments)
        if bad is not None:
            text = f"a result of task '{self._step.function.name}' cannot be loaded in the coordinator"
            raise_blamed(TransferError(f"{text}: {reason_of(value)}"), self._failure(work_result, 1))
        group.root = [value]
        self._pass_on()

    def _failure(self, work_result: WorkResult, attempt: int, trace: str = "") -> Failure:
        name, number = self._step.function.name, self._step.number
        return Failure(name, number, None, None, attempt, work_result.worker, work_result.exitcode, trace)

    def _lost(self, group: _PartialGroup, merging: TreeMerge[PartialRef], work_result: WorkResult) -> None:
        """Parts could not be put together: those that are gone are made again, then it is tried again."""
        if work_result.started:
            group.deaths[merging.range] += 1
            deaths = group.deaths[merging.range]
            if deaths > self._retries or group.deaths.total() > _DEATHS * self._retries:
                first, end = merging.range
                error = worker_died(self._step.function.name, f"parts of {end - first} items", work_result, deaths)
                raise_blamed(error, self._failure(work_result, deaths))
        missing = group.tree.lost(merging, work_result.missing)
        again = [part for first, end in missing for part in self._made_of(group, first, end)]
        if again:
            self.send_again(again)
        self._merge(group)

    def _made_of(self, group: _PartialGroup, first: int, end: int) -> list[tuple[int, Sequence[object]]]:
        """What the part at these positions was made of, batch by batch."""
        found = []
        for start, leaf in group.leaves:
            low, high = max(first, start), min(end, start + len(leaf.cells))
            if low < high:
                place = leaf.first + low - start
                self._lacking.update({place + each: (group, low + each) for each in range(high - low)})
                found.append((place, leaf.cells[low - start : high - start]))
        return found

    def _pass_on(self) -> None:
        """Hand over the values whose turn it is; what they were made of is not needed any more."""
        while self._groups and (root := self._groups[0].root) is not None:
            group = self._groups.popleft()
            self._home(root[0])
            self._window.release(0, group.nbytes)
