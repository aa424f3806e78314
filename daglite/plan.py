"""Plan: the result of compile, which is immutable, comparable and picklable, and runs any number of times."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, cast

from typing_extensions import TypeVar, Unpack

from daglite.datasets.store import DatasetStore, store_of
from daglite.exceptions import Failure, ParameterError, TaskError, failure_of
from daglite.failed import Failed
from daglite.lazy import lazy
from daglite.options import ClusterName, Runtime, RuntimeName
from daglite.program import Program, steps_of
from daglite.run_options import RunOptions, RunSettings, settings_of
from daglite.short_repr import counted

if TYPE_CHECKING:
    import daglite.explain as explaining
    import daglite.fingerprint as sameness
    import daglite.observe as observe
    import daglite.observe.bottleneck as bottleneck
    import daglite.observe.cell as cell
    import daglite.runtime.engines.processes.worker as worker
    import daglite.runtime.kernel.program_bytes as transfer
    from daglite.explain import ExplainFormat
    from daglite.runtime.scheduler import execution as runs, replay as replays, run_async as aside
    from daglite.runtime.scheduler.execution import Execution
else:
    explaining, sameness = lazy("daglite.explain"), lazy("daglite.fingerprint")
    observe, cell = lazy("daglite.observe"), lazy("daglite.observe.cell")
    bottleneck, aside = lazy("daglite.observe.bottleneck"), lazy("daglite.runtime.scheduler.run_async")
    runs, transfer = lazy("daglite.runtime.scheduler.execution"), lazy("daglite.runtime.kernel.program_bytes")
    worker, replays = lazy("daglite.runtime.engines.processes.worker"), lazy("daglite.runtime.scheduler.replay")


R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

_DEFAULT_FOLDER = "daglite_data"
# The options that add observers.
_OBSERVED = {"observers", "progress", "trace"}


@dataclass(frozen=True, eq=False)
class Plan(Generic[R_co]):
    """An immutable plan; `run()` returns an `R`.

    Two plans are equal when their steps, functions, arguments, sharing and limits are.

    >>> from daglite import compile, task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> compile(double.map(x=[1, 2]))
    Plan(MapTaskFuture[int], 1 stage)
    """

    program: Program

    def explain(
        self,
        format: ExplainFormat = "text",
        *,
        runtime: RuntimeName | ClusterName | Runtime | None = None,
        workers: int | None = None,
        report: observe.Report | None = None,
    ) -> str:
        """Return the plan as stable text: one line for each step, in data order, then the rules that fired.

        `format`: "text"; "verbose" (everything, each rewrite with its law); "source" (the generated loops); "json" (its
        schema is in the documentation); "mermaid" and "dot" (graphs); "html" (one page with a picture).

        `workers`: add an estimate whether the coordinator keeps this number of workers busy, on `runtime` (default
        "processes"), with a warning where it does not; no cluster is contacted. With the `report` of an earlier run of
        this plan the estimate uses its measurements, by default for the runtime and the workers of that run.

        Raises `ParameterError` for another `format`, for a `runtime` without `workers` or `report`, and for the
        `report` of another plan.
        """
        if runtime is None and workers is None and report is None:
            return explaining.explain(self.program, format)
        return explaining.explain(self.program, format, self._coordinator(runtime, workers, report))

    @property
    def fingerprint(self) -> str | None:
        """A stable hash of structure, code, closure values and arguments; None where a value has no stable hash.

        It leaves out limits, and is valid within one Python minor version; `explain()` prints why it is None.
        """
        return sameness.fingerprint(self.program).digest

    def run(self, **options: Unpack[RunOptions]) -> R_co:
        """Run the plan and return its value (a list for a plan that ends in items).

        `daglite.run_options.RunOptions` describes the options: `runtime`, `workers` and so on. A task's exception is
        raised as itself, with notes; `daglite.exceptions.failure_of` gives the facts. Raises `ParameterError` for
        option values that are not allowed, and a subclass of `ExecutionError` when a worker dies too often, a call
        exceeds its time limit, a value cannot be serialized, or too many items fail.

        >>> from daglite import compile, task
        >>> @task
        ... def double(x: int) -> int:
        ...     return x * 2
        >>> compile(double.map(x=[1, 2])).run(runtime="threads", workers=2)
        [2, 4]
        """
        with self._execution(options) as execution:
            return cast("R_co", execution.run())

    async def run_async(self, **options: Unpack[RunOptions]) -> R_co:
        """Run the plan on a helper thread, generator included; options and errors are those of `run`.

        Cancelling ends the run and waits up to two seconds for its end: your own code cannot be interrupted, and a run
        that is stuck in it ends when it returns.
        """
        return cast("R_co", await aside.run_in_thread(self._execution(options, cancellable=True)))

    def replay(self, failure: Failure | Failed[Any] | BaseException, /) -> object:
        """Run the one item of a failure again, in this process, without retries, `on_error` and saves.

        `failure` is the exception of a run, its `failure_of`, or a `daglite.Failed`. Returns the value of the task, or
        raises its exception. Raises `TaskError` when this plan has no such step, `TransferError` when the item was not
        kept.
        """
        return replays.replay(self.program, _facts_of(failure))

    def stream(self: Plan[list[T]], *, ordered: bool = True, **options: Unpack[RunOptions]) -> ItemStream[T]:
        """Run the plan item by item: the source advances only when an item is asked for.

        The result is an iterator and a context manager; leaving it early, closing it or dropping it ends the run.
        `ordered=False` gives items as they complete; the other options, and the exceptions of `next`, are those of
        `run`. Raises `TaskError` for a plan that does not end in items, `ParameterError` for option values that are
        not allowed.
        """
        if not self.program.streams:
            raise TaskError(f"`stream` needs a plan that ends in items; this one gives {self.program.title}; use `run`")
        if not isinstance(ordered, bool):
            raise ParameterError(f"`ordered` of `stream` must be True or False; got {ordered!r}")
        return ItemStream(self._execution(options), ordered=ordered)

    def __eq__(self, other: object) -> bool:
        return sameness.same_program(self.program, other.program) if isinstance(other, Plan) else NotImplemented

    def __hash__(self) -> int:
        stages = self.program.stages
        return hash(tuple([(type(one).__name__, *[step.function.name for step in steps_of(one)]) for one in stages]))

    def __repr__(self) -> str:
        return f"Plan({self.program.title}, {counted(len(self.program.stages), 'stage')})"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return a picture for notebooks; nothing runs, and no argument is read."""
        return {"text/plain": repr(self), "text/html": explaining.drawing(self.program)}

    def __reduce__(self) -> tuple[Callable[[bytes], Plan[object]], tuple[bytes]]:
        return _load_plan, (transfer.pack_program(self.program),)

    def _coordinator(
        self, runtime: RuntimeName | ClusterName | Runtime | None, workers: int | None, report: observe.Report | None
    ) -> tuple[str, ...]:
        """Return sentences about the load of the coordinator."""
        run = None
        if report is not None:
            if not isinstance(report, observe.Report):
                raise ParameterError(f"`report` must be a `daglite.observe.Report`; got {report!r}")
            if report.program is None or not sameness.same_program(self.program, report.program):
                raise ParameterError("`report` must be that of a run of this plan; this one has seen another, or none")
            run = report.observed()
        given = RunSettings(runtime="processes" if runtime is None else runtime, workers=workers).runtime
        engine = bottleneck.engine_of(given if isinstance(given, str) else repr(given))
        if run is not None:
            if runtime is None and (workers is None or run.engine != "inline"):
                engine = run.engine
            workers = workers or max([stats.workers for stats in run.streams.values()], default=0) or None
        if workers is None and engine != "inline":
            raise ParameterError("`explain` of a runtime needs `workers`, the number of them, or the `report` of a run")
        return tuple(bottleneck.expected(self.program, engine, workers or 0, run))

    def _execution(self, options: RunOptions, *, cancellable: bool = False) -> Execution:
        settings, store = settings_of(options), store_of(options.get("store"), "store")
        if store is None and _saves_by_default(self.program):
            store = DatasetStore(_DEFAULT_FOLDER)
        interactive = _is_interactive()
        wanted = interactive or not _OBSERVED.isdisjoint(options)
        observers = observe.observers_of(options, interactive=interactive) if wanted else ()
        return runs.Execution(self.program, settings, store, cancellable=cancellable, observers=observers)


class ItemStream(Generic[T]):
    """The items of a running plan, in order of the source or, with `ordered=False`, as they complete.

    >>> from daglite import compile, task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> with compile(double.map(x=[1, 2, 3])).stream(runtime="inline") as items:
    ...     next(items)
    2
    """

    def __init__(self, execution: Execution, *, ordered: bool) -> None:
        self._items = cast("Iterator[T]", execution.items(ordered=ordered))
        # A function, not a method of this object: the finalizer must not refer to the object.
        self._end = weakref.finalize(self, _end, self._items, execution)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{'' if self._end.alive else ', closed'}>"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            return next(self._items)
        except BaseException:
            # Also at the regular end: the run has ended when the consumer sees it.
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the run now; closing twice is harmless."""
        self._end()


def _facts_of(failure: object) -> Failure:
    """Return the facts of a failure, in whichever form it is given."""
    found = failure_of(failure) if isinstance(failure, BaseException) else failure
    found = found.failure if isinstance(found, Failed) else found
    if not isinstance(found, Failure):
        raise TaskError(
            "`replay` needs the failure of a run: its exception, the `failure_of` it, or a `daglite.Failed`; "
            f"got {failure!r}"
        )
    return found


def _end(items: Iterator[object], execution: Execution) -> None:
    """End a streamed run: first the loop over its items, then everything it started."""
    try:
        # One that runs now, on another thread, raises ValueError; it ends with the execution.
        with contextlib.suppress(ValueError):
            items.close()  # type: ignore[attr-defined]
    finally:
        execution.close()


def _load_plan(data: bytes) -> Plan[object]:
    return Plan(transfer.unpack_program(data))


def _saves_by_default(program: Program) -> bool:
    """Return whether the program has saves that name no store."""
    return any(save.store is None for stage in program.stages for step in steps_of(stage) for save in step.saves)


def _is_interactive() -> bool:
    """Return whether a run shows its progress by default: on a terminal, or in a notebook."""
    try:
        shown = sys.stderr.isatty() or ("ipykernel" in sys.modules and cell.in_notebook())
        return shown and not worker.inside_worker()
    except (AttributeError, ValueError):
        # Standard error is missing or closed.
        return False
