"""Random pipelines give what they say they must, on every runtime, and are of every kind."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings

import daglite
from daglite import IterFuture, MapTaskFuture, task
from daglite.runtime import Processes
from daglite.testing import DrawnPipeline, Stream, pipelines, strategies as drawing, streams


@given(pipelines())
def test_pipelines_give_what_they_must(drawn: DrawnPipeline[object]) -> None:
    for optimize in (True, False):
        assert daglite.compile(drawn.future, optimize=optimize).run(runtime="inline") == drawn.expected


def test_workers_give_the_same() -> None:
    with Processes(workers=2) as pool:

        @given(pipelines())
        def run(drawn: DrawnPipeline[object]) -> None:
            assert drawn.future.run(runtime=pool) == drawn.expected

        run()


@given(streams(most=5))
def test_tasks_can_be_hung_on_streams(stream: DrawnPipeline[list[int], Stream]) -> None:
    negative = task(lambda x: -x)
    assert isinstance(stream.future, IterFuture | MapTaskFuture)
    assert len(stream.expected) <= 5
    assert stream.future.then(negative).run(runtime="inline") == [-x for x in stream.expected]


def test_every_kind_is_drawn() -> None:
    counts: Counter[str] = Counter()
    words = (
        "count.iter each.iter partial .map( .then(plus .filter( .take( .skip( .flat_map( .batch( .distinct( .reduce("
    )
    words += " .join( .sum( .count() ordered=False combine= append pair( plus(x= from_iterable( .iter_partitions("
    words += " .window( .group_by( .scan( .enumerate() .take_while( .zip( .min( .max( .for_each("

    @settings(max_examples=1000, derandomize=True, database=None)
    @given(pipelines())
    def draw(drawn: DrawnPipeline[object]) -> None:
        counts.update(["all", *(word for word in words.split() if word in repr(drawn))])

    draw()
    assert min(counts[word] for word in words.split()) > counts["all"] / 100, counts


@given(pipelines())
def test_the_text_builds_an_equal_pipeline(drawn: DrawnPipeline[object]) -> None:
    built = eval(repr(drawn), vars(drawing).copy())
    assert daglite.compile(built) == daglite.compile(drawn.future)
