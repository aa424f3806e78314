"""The rules, in the order in which they are applied. One file each, with its law and its precondition."""

from __future__ import annotations

from daglite.compile.rewrite import Rule
from daglite.compile.rules.bind_partial import bind_partial
from daglite.compile.rules.drop_batches import drop_batches
from daglite.compile.rules.fold_partitions import fold_partitions
from daglite.compile.rules.fuse_calls import fuse_calls
from daglite.compile.rules.fuse_maps import fuse_maps
from daglite.compile.rules.stream_collect import stream_collect
from daglite.compile.rules.stream_join import stream_join
from daglite.compile.rules.stream_reduce import stream_reduce
from daglite.compile.rules.stream_source import stream_source
from daglite.compile.rules.stream_zip import stream_zip

RULES: tuple[Rule, ...] = (
    bind_partial,
    # While operations are still nodes of their own.
    drop_batches,
    stream_source,
    fuse_maps,
    # While the other stream has no sink yet.
    stream_zip,
    stream_reduce,
    fold_partitions,
    stream_join,
    # After the other sinks: a stream without a sink has no reader here that can absorb it.
    stream_collect,
    fuse_calls,
)
