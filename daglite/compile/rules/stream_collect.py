"""stream_collect: a stream that nothing continues is collected."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.compile.streams import open_stream
from daglite.ir.nodes import Collect, Node
from daglite.records import replace


def stream_collect(node: Node, readers: Readers) -> Node | None:
    """Law: the list of a stream = the items of the stream in order.

    before: iter gen -> then f
    after:  iter gen -> then f -> collect

    Precondition: none; it is the last of the stream rules, for streams that no reader absorbed. A stream with several
    readers becomes one list that they share.
    """
    stream = open_stream(node)
    return None if stream is None else replace(stream, sink=Collect())
