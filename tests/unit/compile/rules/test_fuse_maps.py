"""fuse_maps: a map of a map is one walk over the items."""

from __future__ import annotations

from daglite.compile.rules.fuse_maps import fuse_maps
from daglite.compile.rules.stream_collect import stream_collect
from daglite.compile.rules.stream_source import stream_source
from daglite.ir.builders import operation_links, operation_node, take_link
from daglite.ir.nodes import CompositeMapTaskNode, FilterNode, IterNode, Link, Mapped, MapTaskNode, OperationLink
from daglite.ir.walk import same
from tests.samples import double, minus, odd, one, pair, rows, scale, shown
from tests.unit.compile.bench import bound, call, check_law, declines, explained, rewritten


def test_map_of_map_becomes_composite_over_mapped_values() -> None:
    links = (Link(call(double.function), ("x",), ()), Link(call(scale.function, *bound(by=3)), ("x",), ()))
    wanted = CompositeMapTaskNode(Mapped(bound(x=[1, 2]), "zip"), links, None)

    assert same(rewritten(double.map(x=[1, 2]).then(scale, by=3), fuse_maps), wanted)


def test_map_of_product_keeps_mode_and_parameters() -> None:
    links = (Link(call(minus.function), ("a", "b"), ()), Link(call(double.function), ("x",), ()))
    wanted = CompositeMapTaskNode(Mapped(bound(a=[1, 2], b=[3]), "product"), links, None)

    assert same(rewritten(minus.map(a=[1, 2], b=[3], map_mode="product").then(double), fuse_maps), wanted)


def test_map_of_open_composite_becomes_its_next_link() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))
    links = (Link(call(double.function), ("x",), ()), Link(call(scale.function), ("x",), ()))
    found = rewritten(rows.iter(n=2).then(double).then(scale), stream_source, fuse_maps)

    assert same(found, CompositeMapTaskNode(source, links, None))


def test_filters_and_maps_become_links_of_one_composite() -> None:
    filters = Link(call(odd.function), ("x",), (), filters=True)
    wanted = (Link(call(double.function), ("x",), ()), filters, filters, Link(call(scale.function), ("x",), ()))
    found = rewritten(double.map(x=[1]).filter(odd).filter(odd).then(scale), fuse_maps)

    assert same(found, CompositeMapTaskNode(Mapped(bound(x=[1]), "zip"), wanted, None))


def test_filter_is_not_a_map() -> None:
    stream = double.map(x=[1])

    assert not same(rewritten(stream.then(odd), fuse_maps), rewritten(stream.filter(odd), fuse_maps))


def test_saves_stay_with_their_links() -> None:
    stream = double.map(x=[1]).save("first_{iteration_index}").then(scale).save("last_{iteration_index}")
    composite = rewritten(stream, fuse_maps)

    assert isinstance(composite, CompositeMapTaskNode)
    kept = [[save.key.text for save in link.saves] for link in composite.links]
    assert kept == [["first_{iteration_index}"], ["last_{iteration_index}"]]


def test_results_with_two_consumers_stay() -> None:
    mapped = double.map(x=[1, 2])

    assert declines(fuse_maps, pair(mapped.then(scale), mapped).node)
    assert declines(fuse_maps, pair(mapped.then(scale), mapped.then(scale)).node)
    assert declines(fuse_maps, mapped.then(minus, b=mapped).node)
    assert declines(fuse_maps, pair(mapped.filter(odd), mapped).node)
    assert declines(fuse_maps, mapped.filter(odd, by=mapped).node)


def test_generator_is_left_to_stream_source() -> None:
    assert declines(fuse_maps, rows.iter(n=2).then(double).node)
    assert declines(fuse_maps, rows.iter(n=2).filter(odd).node)


def test_values_and_single_calls_are_no_streams() -> None:
    assert declines(fuse_maps, double.map(x=[1, 2]).node)
    assert declines(fuse_maps, double.map(x=rows(n=2)).node)


def test_map_of_several_sources_stays() -> None:
    """It takes items from two streams; one walk over one of them would lose the other."""
    left, right = double.map(x=[1]), double.map(x=[2])

    assert declines(fuse_maps, minus.map(a=left, b=right).node)


def test_ended_stream_does_not_go_on() -> None:
    """A composite with an ending is a list; its items do not flow any more."""
    ended = rewritten(double.map(x=[1, 2]), stream_collect)

    assert declines(fuse_maps, double.map(x=[1]).take(1).node)
    assert declines(fuse_maps, MapTaskNode(call(double.function), bound(x=ended), "zip"))
    assert declines(fuse_maps, FilterNode(call(odd.function), ended, ("x",)))


def test_stream_that_ends_early_does_not_go_on() -> None:
    """A task behind it would be given what comes in after the last item that is taken."""
    sink = rewritten(double.map(x=[1, 2]).filter(odd).take(1), fuse_maps)

    assert isinstance(sink, CompositeMapTaskNode)
    assert sink.max_results == 1
    assert declines(fuse_maps, MapTaskNode(call(double.function), bound(x=sink), "zip"))
    assert declines(fuse_maps, FilterNode(call(odd.function), sink, ("x",)))


def test_law_then_then_is_one_walk() -> None:
    stream = double.map(x=[1, 2, 3]).save("a_{iteration_index}").then(scale, by=3).then(minus, b=1)

    check_law(fuse_maps, stream.save("b_{iteration_index}"), [5, 11, 17])
    check_law(fuse_maps, minus.map(a=[5, 7], b=[1, 2], map_mode="product").then(double), [8, 6, 12, 10])


def test_law_filters_drop_on_the_way() -> None:
    stream = double.map(x=[1, 2, 3, 4]).save("a_{iteration_index}").filter(odd, by=4).save("b_{iteration_index}")

    check_law(fuse_maps, stream.then(scale).save("c_{iteration_index}"), [20, 60])
    check_law(fuse_maps, stream.filter(odd, by=6).save("d_{iteration_index}"), [2])


def test_explain() -> None:
    explained("fuse_maps", double.map(x=[1, 2, 3]).then(scale, by=3).then(double))


def test_operations_join_the_composite() -> None:
    """Where a stream ends early in front of one, the end becomes an operation, too."""
    links: tuple[Link | OperationLink, ...] = (
        Link(call(double.function), ("x",), ()),
        Link(call(odd.function), ("x",), (), filters=True),
    )
    batch = operation_node("batch", one(n=1).node, n=2)
    wanted = (*links, take_link(3), *operation_links(batch), Link(call(shown.function), ("items",), ()))
    found = rewritten(double.map(x=[1]).filter(odd).take(3).batch(2).then(shown), fuse_maps)

    assert same(found, CompositeMapTaskNode(Mapped(bound(x=[1]), "zip"), wanted, None))


def test_operation_on_a_shared_stream_starts_a_new_one() -> None:
    mapped = double.map(x=[1, 2])

    assert declines(fuse_maps, pair(mapped.batch(2), mapped).node)
    assert declines(fuse_maps, mapped.zip(mapped).node)


def test_law_operations_see_the_items_in_order() -> None:
    stream = double.map(x=[1, 2, 3, 4, 5]).filter(odd, by=4).save("a_{iteration_index}").batch(2)

    check_law(fuse_maps, stream.save("b_{iteration_index}").then(shown), ["[2, 6].", "[10]."])
    stream = double.map(x=[1, 2, 3, 4, 5]).batch(2)
    check_law(fuse_maps, stream.unbatch().filter(odd, by=4).take(2).then(scale).save("c_{iteration_index}"), [20, 60])
