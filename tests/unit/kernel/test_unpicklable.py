"""The place of what cannot be pickled, told by the names that the program knows it by."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from daglite import task
from daglite.exceptions import TransferError
from daglite.functions import describe
from daglite.runtime.kernel.program_bytes import find_unpicklable
from daglite.runtime.serialization.pickler import Codec


def generated() -> Iterator[int]:
    yield 1


STUCK = generated()
LOCK = threading.Lock()


class Shop:
    def __init__(self) -> None:
        self.name = "shop"
        self.connection = {"open": [0, STUCK]}

    def price(self, x: int) -> int:
        return x


class Kept:
    count = 3
    shared = STUCK


def scripted(text: str, **known: object) -> Any:
    """What a line of a script makes: its functions and globals are no module's."""
    scope: dict[str, Any] = {"__name__": "__main__", **known}
    exec(text, scope)
    return scope["made"]


def closing(value: object) -> Callable[[int], object]:
    return lambda x: (x, value)


@pytest.mark.parametrize(
    ("fn", "where"),
    [
        (scripted("def made(x): return x, stuck", stuck=STUCK), "stuck"),
        (scripted("def inner(): return stuck\ndef made(x): return inner()", stuck=STUCK), "inner > stuck"),
        (scripted("made = lambda x: [lambda: stuck for _ in x]", stuck=STUCK), "stuck"),
        (scripted("def made(x): return lock, stuck", lock=LOCK, stuck=STUCK), "stuck"),
        (scripted("def made(x, seen=stuck): return seen", stuck=STUCK), "default 0"),
        (scripted("def made(x, *, seen=stuck): return seen", stuck=STUCK), "seen"),
        (scripted("class Kept:\n    shared = stuck\ndef made(x): return Kept", stuck=STUCK), "Kept > shared"),
        (closing(STUCK), "value"),
        (closing({"a": 1, "b": (STUCK,)}), "value > ['b'] > [0]"),
        (Shop().price, "self > connection > ['open'] > [1]"),
        (functools.partial(max, 1, STUCK), "argument 1"),
        (functools.partial(max, default=STUCK), "default"),
    ],
)
def test_the_way_is_told_by_names(fn: Callable[..., object], where: str) -> None:
    assert find_unpicklable(Codec("c"), describe(fn)) == where


def test_of_the_value_itself_there_is_no_way() -> None:
    assert find_unpicklable(Codec("c"), STUCK) == ""
    assert find_unpicklable(Codec("c"), describe(closing(3))) == ""


def test_a_value_that_holds_itself_ends() -> None:
    ring: list[object] = [STUCK]
    ring.insert(0, ring)
    assert find_unpicklable(Codec("c"), ring) == "[1]"


def test_the_error_of_a_run_tells_the_way_and_what_to_do() -> None:
    told = (
        r"^task '<lambda>' cannot be sent to a worker: its function cannot be pickled: .*, found at `value`; "
        r"make it in the task, or run with `runtime='threads'`, where nothing is pickled$"
    )
    with pytest.raises(TransferError, match=told):
        task(closing(STUCK))(3).run()
    assert task(closing(STUCK))(3).run(runtime="threads") == (3, STUCK)


def test_arguments_tell_it_too() -> None:
    with pytest.raises(TransferError, match=r"^argument 'out' of task 'print' .*, found at `\['err'\]`; make it"):
        task(lambda x, out: x, name="print")(3, out={"err": sys.stderr, "in": STUCK}).run()
