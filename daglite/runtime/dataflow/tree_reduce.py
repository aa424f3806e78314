"""Tree reduction of partials that stay on their workers: they are combined there, and only the root of a group returns.

    batch --partial--> |                            one group: some partials for each worker
    batch --partial--> | merges on workers (tree) --root--> sink --> the next group's root --> ...
    batch --partial--> |

The items of a partial are kept until the root that contains it has arrived: when a worker dies, its partials are made
again from them, and the others stay. So a group is bounded, in partials and in bytes, and so is the cost of a death.

`ReductionTree` chooses which neighbouring partials are combined next; it is pure. Older partials are larger once they
have been combined, like the digits of a counter:

    0 0 0 0 0 0 0 0 | 1   1   1   1   1   1   1   1 | 2 ...

As soon as there are `fan_in` neighbours of one level they become one of the next level, so that of n partials some
fan_in * log n are left. Only neighbours are combined, in their order, so `combine` need not commute.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Generic, NamedTuple, NoReturn, TypeVar

from daglite.exceptions import ExecutionError, Failure
from daglite.runtime.dataflow.in_flight import SegmentParts
from daglite.runtime.dataflow.redelivery import worker_died
from daglite.runtime.engines.worker_queues import new_seq
from daglite.runtime.kernel.batch import unloadable_result
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import attempts_of, raise_with_failure
from daglite.runtime.kernel.work import PartialRef, WorkItem, WorkResult

H = TypeVar("H")

# A larger one would take fewer merges, and more memory in the worker that has all of the partials at once.
FAN_IN = 8


@dataclass(eq=False, repr=False, slots=True)
class TreeNode(Generic[H]):
    """The partial of the items at positions from `first` up to `end`; `busy` while it is combined with others."""

    first: int
    end: int
    partial: H
    level: int = 0
    busy: bool = False


class TreeMerge(NamedTuple, Generic[H]):
    """Neighbours to be combined. The `final` merge takes all that are left, and its result leaves the tree."""

    nodes: Sequence[TreeNode[H]]
    final: bool

    @property
    def range(self) -> tuple[int, int]:
        """The positions of the items that it contains."""
        return self.nodes[0].first, self.nodes[-1].end


class ReductionTree(Generic[H]):
    """The partials of a group. A lost one leaves a gap, which is filled when it has been made again."""

    def __init__(self, fan_in: int = FAN_IN) -> None:
        self.closed = False
        # The positions of all items of the tree.
        self.first = self.end = 0
        self._fan_in = fan_in
        self._nodes: list[TreeNode[H]] = []

    def __len__(self) -> int:
        return len(self._nodes)

    def add(self, first: int, end: int, partial: H) -> None:
        """Add a partial, behind all others or where one was lost."""
        if self.first == self.end:
            self.first = first
        self.end = max(self.end, end)
        self._insert(TreeNode(first, end, partial))

    def close(self) -> None:
        """Note that no more partials come, other than those that were lost."""
        self.closed = True

    def merge(self) -> TreeMerge[H] | None:
        """Return the next neighbours to combine, busy from now on; None when there are none now."""
        if self.closed and self._complete():
            return self._begin(self._nodes, final=True)
        for run in self._runs():
            if len(run) >= self._fan_in:
                return self._begin(run[: self._fan_in], final=False)
        return None

    def done(self, merge: TreeMerge[H], partial: H) -> None:
        """Replace the neighbours by the partial that they became."""
        first, end = merge.range
        self._remove(merge.nodes)
        self._insert(TreeNode(first, end, partial, 1 + max(node.level for node in merge.nodes)))

    def arrived(self, merge: TreeMerge[H]) -> None:
        """Remove the nodes of the final merge."""
        self._remove(merge.nodes)

    def lost(self, merge: TreeMerge[H], gone: Collection[int]) -> list[tuple[int, int]]:
        """Undo a merge that failed. The nodes with the numbers `gone` are removed, the others stay.

        Returns the positions of the items whose partials must be made again.
        """
        for node in merge.nodes:
            node.busy = False
        missing = [merge.nodes[number] for number in sorted(gone)]
        self._remove(missing)
        return [(node.first, node.end) for node in missing]

    def _insert(self, node: TreeNode[H]) -> None:
        bisect.insort(self._nodes, node, key=attrgetter("first"))

    def _remove(self, nodes: Sequence[TreeNode[H]]) -> None:
        removed = set(map(id, nodes))
        self._nodes = [node for node in self._nodes if id(node) not in removed]

    def _complete(self) -> bool:
        """Return whether at most `fan_in` nodes are left, none of them busy, without a gap."""
        nodes = self._nodes
        if not 0 < len(nodes) <= self._fan_in or nodes[0].first != self.first or nodes[-1].end != self.end:
            return False
        return not any(node.busy for node in nodes) and all(
            node.end == following.first for node, following in itertools.pairwise(nodes)
        )

    def _runs(self) -> Iterator[list[TreeNode[H]]]:
        """Yield neighbours that may be combined; while more partials come, only those of one level."""
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

    def _begin(self, nodes: Sequence[TreeNode[H]], *, final: bool) -> TreeMerge[H]:
        for node in nodes:
            node.busy = True
        return TreeMerge(tuple(nodes), final)


# A partial of fewer bytes is returned faster than it could be combined elsewhere. Larger ones are returned as well
# where few workers make so few of them that they stay below this number of bytes a second.
MIN_KEPT_BYTES, RETURNED_BYTES = 256 * 1024, 100 * 1024 * 1024
# The partials of a group: for each worker, and at least.
_PER_WORKER, _MIN_GROUP = 4, 32
# How many groups may wait for their roots, and the share of the bytes in flight that each may have.
_MAX_GROUPS, _SHARE = 3, 4
# How many times `worker_retries` merges of one group may lose their workers, whichever partials they had.
_MAX_DEATHS = 10


class RemotePartial(NamedTuple):
    """A partial that stays on a worker, and the serialized items that it contains, at positions from `first` on."""

    ref: PartialRef
    first: int
    items: Sequence[object]
    nbytes: int


class _PartialGroup:
    """Partials that return as one root, or a single partial that was returned by itself."""

    def __init__(self, root: list[object] | None = None) -> None:
        self.tree: ReductionTree[PartialRef] = ReductionTree()
        # Each partial, with the position at which it begins in the group.
        self.leaves: list[tuple[int, RemotePartial]] = []
        self.nbytes = 0
        self.deaths: Counter[tuple[int, int]] = Counter()
        # The value in a list, once it has arrived.
        self.root = root


class TreeReducer:
    """The groups of one fold, in order; used under the lock of the loop."""

    def __init__(self, parts: SegmentParts, step: BoundStep, nbytes: int, on_root: Callable[[object], None]) -> None:
        """`on_root` receives the value of each group; the groups may have `nbytes` in flight.

        Raises `TransferError` if `combine` cannot be sent to a worker.
        """
        engine = parts.worker_queue.engine
        # From how many bytes on a partial stays on its worker.
        self.threshold = max(MIN_KEPT_BYTES, int(RETURNED_BYTES * engine.batch_policy.aim / engine.workers))
        self.send_again: Callable[[Sequence[tuple[int, Sequence[object]]]], None]
        self._worker_queue = parts.worker_queue
        self._step = step
        self._program = parts.worker_queue.install([step])
        self._flow_control = parts.flow_control
        self._retries = parts.retries
        self._max_bytes = nbytes // _SHARE
        self._max_partials = max(_MIN_GROUP, _PER_WORKER * engine.workers)
        self._on_root = on_root
        self._groups: deque[_PartialGroup] = deque()
        self._open: _PartialGroup | None = None
        # By item: the group, and the position in it, of a partial that was lost.
        self._missing: dict[int, tuple[_PartialGroup, int]] = {}
        # How many items the partials so far contain.
        self._count = 0
        # Partials on workers whose turn has not come.
        self._early = 0

    @property
    def crowded(self) -> bool:
        """Whether there are too many partials to send more items."""
        return len(self._groups) > _MAX_GROUPS or self._early > self._max_partials

    def register(self, remote_partial: RemotePartial) -> RemotePartial:
        """Count a partial that stays on its worker; `add` follows when its turn has come."""
        self._early += 1
        return remote_partial

    def busy(self) -> bool:
        """Return whether a group has not returned its root."""
        return bool(self._groups)

    def add(self, partial: object) -> None:
        """Add the next partial, whether it is on its worker or here."""
        if not isinstance(partial, RemotePartial):
            self.close()
            self._groups.append(_PartialGroup([partial]))
            self._deliver_roots()
            return
        self._early -= 1
        # From now on all stay on their workers: one here between others would divide their group.
        self.threshold = 0
        group = self._open
        if group is None:
            group = self._open = _PartialGroup()
            self._groups.append(group)
        end = self._count + len(partial.items)
        group.tree.add(self._count, end, partial.ref)
        group.leaves.append((self._count, partial))
        group.nbytes += partial.nbytes
        self._count = end
        if len(group.leaves) >= self._max_partials or group.nbytes >= self._max_bytes:
            self.close()
        self._merge(group)

    def close(self) -> None:
        """Complete the open group."""
        if self._open is not None:
            group, self._open = self._open, None
            group.tree.close()
            self._merge(group)

    def is_missing(self, place: int) -> bool:
        """Return whether the partial with this item is being made again."""
        return place in self._missing

    def restore(self, first: int, count: int, ref: PartialRef | None) -> None:
        """Add the partial of these items, which has been made again."""
        kept = _kept(ref)
        group, position = self._missing[first]
        for place in range(first, first + count):
            del self._missing[place]
        group.tree.add(position, position + count, kept)
        self._merge(group)

    def _merge(self, group: _PartialGroup) -> None:
        while (merge := group.tree.merge()) is not None:
            partials = [node.partial for node in merge.nodes]
            # A merge that may have killed its worker gets one of its own.
            exclusive, keep = group.deaths[merge.range] > 0, None if merge.final else 0
            work_item = WorkItem(
                new_seq(),
                self._program,
                "combine",
                (),
                0,
                exclusive=exclusive,
                partial_threshold=keep,
                partials=partials,
            )
            self._worker_queue.submit_first(work_item, partial(self._completed, group, merge))

    def _completed(self, group: _PartialGroup, merge: TreeMerge[PartialRef], work_result: WorkResult) -> None:
        if work_result.kind == "lost":
            self._lost(group, merge, work_result)
            return
        if (error := work_result.error) is not None:
            self._fail(error, work_result, attempts_of(self._step.function, error), work_result.traceback)
        if not merge.final:
            group.tree.done(merge, _kept(work_result.partial))
            self._merge(group)
            return
        group.tree.arrived(merge)
        (value,), bad = self._worker_queue.engine.codec.unpack(work_result.payload)
        if bad is not None:
            self._fail(unloadable_result(self._step, value), work_result, 1)
        group.root = [value]
        self._deliver_roots()

    def _fail(self, error: BaseException, work_result: WorkResult, attempt: int, trace: str = "") -> NoReturn:
        name, number = self._step.function.name, self._step.number
        worker, exitcode = work_result.worker, work_result.exitcode
        raise_with_failure(error, Failure(name, number, None, None, attempt, worker, exitcode, trace))

    def _lost(self, group: _PartialGroup, merge: TreeMerge[PartialRef], work_result: WorkResult) -> None:
        """Make the partials again that are gone, and merge again."""
        if work_result.started:
            group.deaths[merge.range] += 1
            deaths = group.deaths[merge.range]
            if deaths > self._retries or group.deaths.total() > _MAX_DEATHS * self._retries:
                first, end = merge.range
                error = worker_died(
                    self._step.function.name, f"partial results of {end - first} items", work_result, deaths
                )
                self._fail(error, work_result, deaths)
        missing = group.tree.lost(merge, work_result.missing_partials)
        batches = [batch for first, end in missing for batch in self._batches(group, first, end)]
        if batches:
            self.send_again(batches)
        self._merge(group)

    def _batches(self, group: _PartialGroup, first: int, end: int) -> Iterator[tuple[int, Sequence[object]]]:
        """Yield the items at these positions of a group, batch by batch, and note that they are missing."""
        for start, leaf in group.leaves:
            low, high = max(first, start), min(end, start + len(leaf.items))
            if low < high:
                place = leaf.first + low - start
                self._missing.update({place + each: (group, low + each) for each in range(high - low)})
                yield place, leaf.items[low - start : high - start]

    def _deliver_roots(self) -> None:
        """Deliver the roots whose turn has come, and release the items that they contain."""
        while self._groups and (root := self._groups[0].root) is not None:
            group = self._groups.popleft()
            self._on_root(root[0])
            self._flow_control.release(0, group.nbytes)


def _kept(ref: PartialRef | None) -> PartialRef:
    if ref is None:
        raise ExecutionError("a worker could not keep a partial result of a fold; see its logs for the reason")
    return ref
