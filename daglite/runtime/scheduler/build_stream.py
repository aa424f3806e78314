"""Build a stream: bind its stage, open the streams that it pulls, and choose the driver that runs it.

                                   +--> build_local     no segment on workers
stage --bind_stream--> BoundStream +--> build_workers   some on workers
                                   +--> build_adaptive  the run chooses: local first, it may move to workers
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from daglite.program import StreamStage
from daglite.runtime.dataflow.driver import StreamGroup, StreamScope
from daglite.runtime.dataflow.nested import Driver, NestedStream
from daglite.runtime.dataflow.operator_chain import ClosingIterator
from daglite.runtime.dataflow.sinks import IteratorSink, OutputQueue, Sink
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.scheduler.bind_stream import bind_stream, remote_segments
from daglite.runtime.scheduler.build_local import build_adaptive, build_local, local_items, starts_locally
from daglite.runtime.scheduler.build_workers import build_workers
from daglite.runtime.scheduler.context import RunContext


def build_stream(
    context: RunContext,
    stage: StreamStage,
    sink: Sink,
    *,
    ordered: bool,
    fold: BoundStep | None = None,
    scope: StreamScope | None = None,
) -> Driver:
    """Return the driver of a stream. `fold` is the step with which workers fold; `scope` is given if it is pulled."""
    if scope is None:
        group = StreamGroup(context.worker_queues, context.external_error, helper_thread=stage.limits.helper_thread)
        context.poll_lock = group.lock
        scope = StreamScope(group, share=1 + sum(1 for _ in context.all_nested(stage)))
    with _open_nested(context, stage, scope):
        stream = bind_stream(context, stage, sink, ordered=ordered, scope=scope, fold=fold)
        if not stream.remote:
            return build_local(stream)
        return build_adaptive(stream) if starts_locally(stream) else build_workers(stream)


@contextlib.contextmanager
def _open_nested(context: RunContext, stage: StreamStage, scope: StreamScope) -> Iterator[None]:
    """Open the streams that a stream pulls; close them if the stream itself cannot be opened."""
    try:
        for number, pulled in context.nested_in(stage).items():
            nested = _nested_stream(context, pulled, scope.enter())
            scope.nested.append(nested)
            context.values[number] = nested
        yield
    except BaseException:
        scope.close()
        raise


def _nested_stream(context: RunContext, stage: StreamStage, scope: StreamScope) -> NestedStream | ClosingIterator:
    """Return the results of a stream that another pulls."""
    local = not remote_segments(context, stage, folds=False)
    if local and context.observers is None and not context.cancellable:
        with _open_nested(context, stage, scope):
            return local_items(bind_stream(context, stage, IteratorSink(), ordered=True, scope=scope))
    output_queue = OutputQueue()
    driver = build_stream(context, stage, output_queue, ordered=True, scope=scope)

    def check() -> None:
        context.check()
        scope.check()

    return NestedStream(driver, output_queue.waiting, check)
