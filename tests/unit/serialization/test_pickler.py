"""What travels and how: two endpoints in one process here, real processes by the script `pickler_main.py`."""

from __future__ import annotations

import functools
import math
import os
import re
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from daglite import task
from daglite.exceptions import TransferError
from daglite.runtime.serialization import pickler as wire
from daglite.runtime.serialization.batch_format import SerializedItem, Unloadable
from daglite.runtime.serialization.pickler import Codec
from tests.paths import ROOT

HERE = Path(__file__).parent
SCRIPT = HERE / "pickler_main.py"
LARGE = 100_000


@task
def doubled(x: int) -> int:
    return x * 2


@dataclass
class Named:
    x: int


@task
@functools.lru_cache
def remembered(x: int) -> int:
    return x * 2


def plain(x: int) -> int:
    return x + 1


@dataclass
class Refuses:
    error: BaseException

    def __reduce__(self) -> tuple[object, ...]:
        raise self.error


class Reduces:
    def __reduce__(self) -> Any:
        return 42


def local_class() -> Any:
    @dataclass
    class Local:
        x: int

    return Local


def deep_list() -> object:
    inner: list[object] = []
    for _ in range(LARGE):
        inner = [inner]
    return inner


def plain_generator() -> Iterator[int]:
    yield 1


def travel(item: object, here: Codec, there: Codec) -> Any:
    """The item as the other endpoint gets it: definitions first, then the bytes, as a socket gives them."""
    segments = here.pack([here.serialize(item)])
    for definition in here.definitions:
        there.add_definition(definition)
    return there.unpack([bytearray(segment) for segment in segments])[0][0]


@pytest.fixture
def here() -> Codec:
    return Codec("here")


@pytest.fixture
def there() -> Codec:
    return Codec("there")


@pytest.mark.parametrize("way", ["file", "-c", "stdin"])
def test_what_a_script_owns_travels_under_every_start_method(way: str) -> None:
    methods = ["fork", "forkserver", "spawn"] if way == "file" else ["fork", "spawn"]
    text = SCRIPT.read_text(encoding="utf-8")
    arguments = {"file": [str(SCRIPT)], "-c": ["-c", text], "stdin": ["-"]}[way]
    done = subprocess.run(
        [sys.executable, *arguments, *methods],
        input=text if way == "stdin" else "",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("ok\n", "", 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=12,
)
LOCAL = local_class()
CELLS = st.lists(JSON | st.builds(LOCAL, JSON) | st.builds(Named, st.integers()))


@given(CELLS)
def test_batches_arrive_as_they_were_sent(items: list[object]) -> None:
    """Law: unpack(pack(capture(each))) gives the items; at the endpoint that knows the class, equal ones."""
    codec, other = Codec("a"), Codec("b")
    cells = [codec.serialize(item) for item in items]
    segments = codec.pack(cells)
    found = codec.unpack(segments)[0]
    assert found == items
    assert [type(each) for each in found] == [type(each) for each in items]
    for definition in codec.definitions:
        other.add_definition(definition)
    back = other.pack([other.serialize(item) for item in other.unpack([bytearray(one) for one in segments])[0]])
    assert codec.unpack(back)[0] == items
    assert [codec.deserialize(cell) for cell in cells] == items
    assert codec.total_size(cells) == sum(map(codec.size_of, cells))


def test_arrays_beside_what_only_dill_knows_stay_out_of_band(here: Codec, there: Codec) -> None:
    cell = here.serialize((np.zeros(LARGE), {1: 2}.keys()))
    assert isinstance(cell, SerializedItem)
    assert len(cell.buffers) == 1
    assert len(cell.data) < 1000


def test_importable_functions_and_classes_go_by_name(here: Codec, there: Codec) -> None:
    assert travel(plain, here, there) is plain
    assert travel(doubled.fn, here, there) is doubled.fn
    assert travel(remembered.fn, here, there) is remembered.fn
    assert travel([Named, Named(1), os.path.join, math.sin, int, types.FunctionType], here, there) == [
        *(Named, Named(1), os.path.join, math.sin, int, types.FunctionType)
    ]
    assert travel(functools.partial(plain, 1), here, there)() == 2
    assert not here.definitions


def test_local_functions_of_a_module_use_the_module_itself(here: Codec, there: Codec) -> None:
    copy = travel(lambda: plain, here, there)
    assert copy.__globals__ is globals()
    assert copy() is plain
    assert len(here.dumps(lambda: LOCAL)) < 1000


def test_a_module_no_worker_can_import_goes_by_value(
    here: Codec, there: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("made_up")
    exec("import os\nnumber = 1\nunused = open\ndef use(): return number, os.sep\nclass Own: pass", vars(module))
    monkeypatch.setitem(sys.modules, "made_up", module)
    data = here.dumps([module.use, module.Own])
    monkeypatch.delitem(sys.modules, "made_up")
    for definition in here.definitions:
        there.add_definition(definition)
    loaded: Any = there.loads(data)
    use, own = loaded
    assert use() == (1, os.sep)
    assert own.__name__ == "Own"
    assert "unused" not in use.__globals__
    with pytest.raises(TransferError, match="module 'made_up' cannot be imported by a worker"):
        here.dumps(module)


def test_a_token_means_one_class_at_each_endpoint(here: Codec, there: Codec) -> None:
    own = local_class()
    first, second = travel(own(1), here, there), travel(own(2), here, there)
    assert type(first) is type(second) is not own
    assert travel(first, there, here) == own(1)
    assert len(here.definitions) == 1


def test_a_coordinator_passes_on_the_classes_of_a_worker(here: Codec, there: Codec) -> None:
    third = Codec("third")
    made = local_class()(1)
    copy = travel(travel(made, there, here), here, third)
    assert travel(copy, third, there) == made
    assert here.definitions == there.definitions == third.definitions
    here.add_definition(there.definitions[0])
    assert len(here.definitions) == 1


def test_only_the_first_item_of_a_class_needs_dill(here: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    own = local_class()
    here.serialize(own(0))
    # From here on the slow pickler would be an error.
    monkeypatch.setattr("daglite.runtime.serialization.dill_fallback.DillPickler.dump", None)
    assert all(isinstance(here.serialize(own(i)), SerializedItem) for i in range(100))
    assert len(here.definitions) == 1


def test_classes_that_refer_to_each_other_share_a_definition(here: Codec, there: Codec) -> None:
    class Left:
        right: type
        self_made: object

    class Right(Left):
        left = Left

        def up(self) -> type:
            return super().__thisclass__.left  # type: ignore[misc, no-any-return]

    Left.right, Left.self_made = Right, Right()
    left = travel(Left, here, there)
    assert left.right.left is left
    assert left.right.__mro__[1] is left
    assert type(left.self_made) is left.right
    assert left.self_made.up() is left
    assert len(here.definitions) == 1


def test_functions_share_the_namespace_of_their_module(here: Codec, there: Codec) -> None:
    space: dict[str, Any] = {"__name__": "__main__", "n": 0}
    exec("def up():\n    global n\n    n += 1\ndef get(): return n\nlate = lambda: n", space)
    up, get = travel([space["up"], space["get"]], here, there)
    up()
    late = travel(space["late"], here, there)
    assert (get(), late(), space["n"]) == (1, 1, 0)
    # Back home they use what is there, and add nothing to it.
    before = dict(space)
    home = travel(late, there, here)
    assert home.__globals__ is space
    exec("fresh = 1\ndef uses(): return fresh", late.__globals__)
    assert travel(late.__globals__["uses"], there, here).__globals__ is space
    assert space == before


def test_names_of_attributes_are_not_taken_for_globals(here: Codec, there: Codec) -> None:
    space: dict[str, Any] = {"__name__": "__main__", "data": threading.Thread()}
    exec("def f(x): return x.data", space)
    assert travel(space["f"], here, there)(types.SimpleNamespace(data=1)) == 1


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (threading.Lock, "a value of type 'lock' cannot be pickled: TypeError"),
        (lambda: {"a": [threading.RLock()]}, "a value of type 'dict' cannot be pickled: TypeError"),
        (plain_generator, "cannot pickle 'generator' object"),
        (lambda: sys.stderr.buffer, "cannot be pickled"),
        (sys._getframe, "cannot pickle 'frame' object"),
        (lambda: types.ModuleType("x"), "module 'x' cannot be imported"),
        (lambda: (lambda lock: lambda: lock)(threading.Lock()), "cannot pickle '_thread.lock' object"),
        (lambda: Refuses(ValueError("not me")), "'Refuses' cannot be pickled: ValueError: not me"),
        (lambda: Refuses(SystemExit(3)), "SystemExit: 3"),
        (lambda: Refuses(GeneratorExit()), "GeneratorExit"),
        (Reduces, "'Reduces' cannot be pickled"),
        (lambda: deep_list(), "RecursionError"),
        (lambda: make_dataclass("Odd", [], namespace={"source": plain_generator()})(), "'Odd' cannot be pickled"),
    ],
)
def test_what_cannot_be_pickled_is_refused_and_harms_nothing(
    make: Callable[[], object], match: str, here: Codec, there: Codec
) -> None:
    bad, own = make(), local_class()
    for value in (bad, [own(1), bad, own(2)]):
        with pytest.raises(TransferError, match=match if value is bad else "cannot be pickled"):
            here.serialize(value)
        assert travel(own(3), here, there).x == 3
        assert travel([1, "a"], here, there) == [1, "a"]


@pytest.mark.parametrize("kind", [MemoryError, KeyboardInterrupt])
def test_no_memory_and_ctrl_c_are_not_the_fault_of_the_value(kind: type[BaseException], here: Codec) -> None:
    with pytest.raises(kind, match=r"^stop$"):
        here.serialize(Refuses(kind("stop")))
    assert here.deserialize(here.serialize([1])) == [1]


def test_a_missing_or_broken_definition_is_named(here: Codec, there: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    segments = here.pack([here.serialize(local_class()(1))])
    (found,) = there.unpack(segments)[0]
    assert isinstance(found, Unloadable)
    assert re.fullmatch(r"LookupError: no definition of 'here:\d+' has arrived", found.reason)

    monkeypatch.setattr("daglite.runtime.serialization.pickler.fill", None)
    there.add_definition(here.definitions[0])
    (found,) = there.unpack(segments)[0]
    assert isinstance(found, Unloadable)
    assert "cannot be built here: TypeError" in found.reason
    assert there.definitions == here.definitions


def test_threads_may_share_a_codec(here: Codec, there: Codec) -> None:
    kinds = [local_class() for _ in range(20)]
    sent: list[bytes] = []

    def send() -> None:
        sent.extend(here.dumps([kind(i) for i, kind in enumerate(kinds)]) for _ in range(20))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for definition in here.definitions:
        there.add_definition(definition)
    found: list[Any] = [there.loads(one) for one in sent]
    assert len(here.definitions) == len(kinds)
    assert len({type(each) for items in found for each in items}) == len(kinds)
    assert len(found) == 80


def test_an_interrupt_where_a_pickler_is_made_is_told_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt("now")

    monkeypatch.setattr(wire, "_ChunkedFile", interrupted)
    with pytest.raises(KeyboardInterrupt, match="now") as caught:
        Codec("c").dumps([1])
    assert caught.value.__context__ is None
