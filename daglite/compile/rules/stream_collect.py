"""stream_collect: a stream that nothing continues is collected as it flows."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.compile.streams import open_stream
from daglite.ir.nodes import Collect, Node
from daglite.records import replace


def stream_collect(node: Node, readers: Readers) -> Node | None:
    """Law: the list of a stream = the items of the stream in order.

    before: iter gen -> then f
    after:  iter gen -> then f -> collect

    Precondition: none, but it is the last of the stream rules: it ends what no reader absorbed. A stream with several
    readers ends here, once, as a list they share.
    """
    stream = open_stream(node)
    return None if stream is None else replace(stream, sink=Collect())
