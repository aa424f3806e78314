"""The tree of errors, and the facts behind a failed run."""

from __future__ import annotations

import inspect
import pickle

import pytest

from daglite import exceptions
from daglite.exceptions import DagliteError, Failure, attach_failure, failure_of


def test_the_tree_is_the_one_that_its_docstring_draws() -> None:
    classes = {
        name: one for name, one in vars(exceptions).items() if inspect.isclass(one) and issubclass(one, Exception)
    }
    drawn: list[tuple[int, str]] = []
    for line in (exceptions.__doc__ or "").splitlines():
        name = line.lstrip(" │├└─").split("  ")[0].strip()
        if name in classes:
            drawn.append((line.index(name), name))
    assert {name for _, name in drawn} == set(classes)
    for position, (depth, name) in enumerate(drawn[1:], 1):
        parent = next(above for further, above in reversed(drawn[:position]) if further < depth)
        assert classes[name].__bases__[0] is classes[parent]


def test_every_error_is_a_daglite_error_and_travels() -> None:
    for name in exceptions.__all__:
        one = getattr(exceptions, name)
        if inspect.isclass(one) and issubclass(one, BaseException):
            assert issubclass(one, DagliteError)
            assert str(pickle.loads(pickle.dumps(one("told")))) == "told"
    assert issubclass(exceptions.TaskTimeoutError, TimeoutError)


def test_the_first_facts_stay() -> None:
    error = ValueError("x")
    assert failure_of(error) is None
    attach_failure(error, Failure("inner", index=3))
    attach_failure(error, Failure("outer"))
    assert failure_of(error) == Failure("inner", index=3)


def test_facts_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="cannot assign to field 'task'"):
        Failure("f").task = "g"  # type: ignore[misc]
