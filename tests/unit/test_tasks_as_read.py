"""A task where people and tools read it: docstring, name and signature are those of its function."""

from __future__ import annotations

import doctest
import inspect
import pydoc
import sys

from daglite import task


@task
def price(line: str, each: float = 1.0) -> float:
    """The price of one line.

    >>> price.fn("a;2")
    2.0
    """
    return int(line.partition(";")[2]) * each


def test_a_task_reads_as_its_function_does() -> None:
    assert inspect.getdoc(price) == inspect.getdoc(price.fn)
    assert inspect.signature(price) == inspect.signature(price.fn)
    assert "The price of one line." in pydoc.render_doc(price)
    known = vars(price)
    assert (known["__name__"], known["__qualname__"], known["__module__"]) == ("price", "price", __name__)


def test_doctests_of_a_task_are_found_and_run() -> None:
    found = doctest.DocTestFinder().find(sys.modules[__name__])
    assert [test.name.rpartition(".")[2] for test in found if test.examples] == ["price"]
    assert doctest.DocTestRunner().run(next(test for test in found if test.examples)) == (0, 1)


def test_a_partial_task_keeps_the_words_but_not_the_signature() -> None:
    made = price.partial(each=2.0)

    assert inspect.getdoc(made) == inspect.getdoc(price)
    assert not hasattr(made, "__wrapped__")
