"""stream_zip: the other stream of a zip is pulled beside the first."""

from __future__ import annotations

from typing import Any

from daglite import compile, from_iterable
from daglite.compile.rules import RULES
from daglite.compile.rules.fuse_maps import fuse_maps
from daglite.compile.rules.stream_source import stream_source
from daglite.compile.rules.stream_zip import stream_zip
from daglite.ir.nodes import CompositeMapTaskNode, IterNode, Link, OperationLink, OperationNode, PulledSink
from daglite.ir.walk import same
from daglite.program import StreamStage
from tests.samples import double, pair, rows, shown, total
from tests.unit.compile.bench import bound, call, check_law, declines, explained, rewritten


def others(pipeline: Any) -> list[object]:
    """What the zips of a plan pull, as endings of their stages."""
    return [stage.sink for stage in compile(pipeline).program.stages if isinstance(stage, StreamStage)]


def test_other_stream_of_a_zip_is_pulled() -> None:
    wanted = CompositeMapTaskNode(IterNode(call(rows.function, *bound(n=3))), (), PulledSink())
    found = rewritten(rows.iter(n=2).zip(rows.iter(n=3)), stream_zip)

    assert isinstance(found, OperationNode)
    assert isinstance(found.operand, CompositeMapTaskNode)
    assert same(found.operand, wanted)


def test_other_stream_with_tasks_is_pulled_inside_a_composite() -> None:
    links = (Link(call(double.function), ("x",), ()),)
    wanted = CompositeMapTaskNode(IterNode(call(rows.function, *bound(n=3))), links, PulledSink())
    stream = rows.iter(n=2).then(double).zip(rows.iter(n=3).then(double)).then(shown)
    found = rewritten(stream, stream_source, fuse_maps, stream_zip)

    assert isinstance(found, CompositeMapTaskNode)
    zipped = found.links[1]
    assert isinstance(zipped, OperationLink)
    assert isinstance(zipped.operand, CompositeMapTaskNode)
    assert same(zipped.operand, wanted)


def test_stream_with_another_reader_stays_a_list() -> None:
    stream, other = rows.iter(n=2), rows.iter(n=3)

    assert declines(stream_zip, pair(stream.zip(other), other).node)
    assert declines(stream_zip, stream.zip(stream).node)


def test_first_stream_that_the_other_reads_is_a_list_and_the_other_is_pulled() -> None:
    stream = rows.iter(n=2)

    assert others(stream.zip(stream.then(double))) == ["collect", "pulled", "collect"]


def test_head_of_a_shared_stream_stays_a_list() -> None:
    stream, other = rows.iter(n=2), rows.iter(n=3)

    assert declines(stream_zip, pair(stream.zip(other.take(2)), other).node)


def test_streams_are_pulled_through_eight_others_at_most() -> None:
    nested: Any = rows.iter(n=2)
    chained: Any = rows.iter(n=2).then(double)
    for _ in range(12):
        nested = rows.iter(n=2).zip(nested)
        chained = chained.zip(rows.iter(n=2)).then(shown)

    assert others(nested).count("pulled") == 11
    # The other stream of each zip, and what stands before it.
    assert others(chained).count("pulled") == 16
    wanted: Any = range(2)
    for _ in range(12):
        wanted = list(zip(range(2), wanted, strict=True))
    assert nested.run(runtime="inline") == wanted
    assert chained.run(runtime="threads", workers=2) == chained.run(runtime="inline")


def test_zips_one_behind_the_other_without_tasks_are_not_deep() -> None:
    chained: Any = rows.iter(n=2)
    for _ in range(12):
        chained = chained.zip(rows.iter(n=2))

    assert others(chained) == ["pulled"] * 12 + ["collect"]


def test_nodes_that_are_no_zip_stay() -> None:
    assert declines(stream_zip, rows.iter(n=2).enumerate().node)
    assert declines(stream_zip, rows.iter(n=2).then(double).node)
    assert declines(stream_zip, rewritten(rows.iter(n=2).then(double), stream_source))


def test_it_is_tried_before_the_list_is_made() -> None:
    names = [rule.__name__ for rule in RULES]

    assert names.index("fuse_maps") < names.index("stream_zip") < names.index("stream_collect")


def test_law_zip_is_the_pairs_of_both_lists() -> None:
    check_law(stream_zip, rows.iter(n=2).zip(rows.iter(n=2, start=5).save("{iteration_index}")), [(0, 5), (1, 6)])
    check_law(stream_zip, from_iterable("abc").zip(rows.iter(n=1).then(double)).then(shown), ["('a', 0)."])
    check_law(stream_zip, rows.iter(n=0).zip(rows.iter(n=0)).join(total), 0)


def test_explain() -> None:
    explained("stream_zip", rows.iter(n=4).then(double).zip(rows.iter(n=3).then(double)).then(shown).join(total))
