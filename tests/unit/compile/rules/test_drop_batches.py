"""drop_batches: batches that are taken apart at once need not be made."""

from __future__ import annotations

from daglite.compile.rules.drop_batches import drop_batches
from daglite.ir.walk import same
from tests.samples import double, minus, odd, pair, rows, scale
from tests.unit.compile.bench import check_law, declines, explained, rewritten

STREAM = rows.iter(n=5).then(double)


def test_batches_go() -> None:
    assert same(rewritten(STREAM.batch(2).unbatch().then(scale), drop_batches), STREAM.then(scale).node)
    assert same(rewritten(rows.iter(n=5).batch(2).unbatch(), drop_batches), rows.iter(n=5).node)
    assert same(rewritten(STREAM.window(2).batch(2).unbatch(), drop_batches), rewritten(STREAM.window(2), drop_batches))


def test_batches_in_batches_go() -> None:
    found = rewritten(STREAM.batch(2).batch(2).unbatch().unbatch(), drop_batches)

    assert same(rewritten(STREAM.batch(2).unbatch(), drop_batches), STREAM.node)
    assert same(found, STREAM.node)


def test_what_is_saved_stays() -> None:
    assert declines(drop_batches, rewritten(STREAM.batch(2).save("b_{iteration_index}").unbatch()))
    assert declines(drop_batches, rewritten(STREAM.batch(2).unbatch().save("i_{iteration_index}")))


def test_what_others_read_stays() -> None:
    batches = STREAM.batch(2)

    assert declines(drop_batches, pair(batches.unbatch(), batches).node)
    assert declines(drop_batches, pair(batches.unbatch(), STREAM).node)


def test_what_ends_early_stays() -> None:
    assert declines(drop_batches, rewritten(STREAM.batch(2).unbatch().take(3)))


def test_items_with_gaps_are_numbered_anew() -> None:
    """A filter has left gaps in their numbers; those behind `unbatch` have none."""
    assert declines(drop_batches, rewritten(rows.iter(n=5).filter(odd).batch(2).unbatch()))
    assert declines(drop_batches, rewritten(rows.iter(n=5).filter(odd).then(double).batch(2).unbatch()))
    assert declines(drop_batches, pair(STREAM, STREAM.take(2).batch(2).unbatch()).node)


def test_items_that_a_task_has_skipped_leave_gaps_too() -> None:
    skipping = double.with_options(on_error="skip")

    assert declines(drop_batches, rewritten(rows.iter(n=5).then(skipping).batch(2).unbatch()))
    assert declines(drop_batches, rewritten(rows.iter(n=5).then(skipping).then(double).batch(2).unbatch()))
    assert declines(drop_batches, rewritten(skipping.map(x=[1, 2]).batch(2).unbatch()))
    # What an operation gives is numbered anew, whatever was skipped before it.
    assert not declines(drop_batches, rewritten(rows.iter(n=5).then(skipping).skip(1).batch(2).unbatch()))


def test_other_operations_stay() -> None:
    assert declines(drop_batches, rewritten(STREAM.window(2).unbatch()))
    assert declines(drop_batches, rewritten(STREAM.batch(2).skip(1).unbatch()))
    assert declines(drop_batches, STREAM.node)


def test_law_batches_taken_apart_are_the_stream() -> None:
    stream = STREAM.save("d_{iteration_index}").batch(2).unbatch().then(scale)

    check_law(drop_batches, stream.save("s_{iteration_index}"), [0, 20, 40, 60, 80])
    check_law(drop_batches, minus.map(a=[5, 7], b=[1, 2], map_mode="product").batch(3).unbatch(), [4, 3, 6, 5])


def test_explain() -> None:
    explained("drop_batches", STREAM.batch(2).unbatch().then(scale))
