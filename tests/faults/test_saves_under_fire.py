"""Saves while the coordinator is killed, the disk is full, or a folder is locked."""

from __future__ import annotations

import errno
import os
import pickle
import random
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daglite import DatasetStore, compile, task
from daglite.exceptions import failure_of
from daglite.options import RuntimeName
from tests.faults.scripts import Launch, children_of, gone_within, wait_for
from tests.tasks import count, double

pytestmark = pytest.mark.timeout(60)
SIZE = 50_000
KILLS = 12


# Yields are noted before they happen, so the note is never behind; a key says which item it is.
KILLED = f"""
import os, sys
from daglite import DatasetStore, task

noted = os.open("yielded", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

@task
def numbers():
    n = 0
    while True:
        os.write(noted, b"x")
        yield (n, bytes([n % 251]) * {SIZE})
        n += 1

@task
def back(x):
    return x

store = DatasetStore("store")
pipeline = numbers.iter().save("item/{{iteration_index}}", save_store=store).then(back)
pipeline.save("result/{{iteration_index}}", save_store=store).reduce(lambda_, initial=0).run(
    workers=2, start_method=sys.argv[1])
""".replace("store = Data", "lambda_ = task(lambda total, x: total + 1, name='tally')\nstore = Data")


def check_store(folder: Path) -> int:
    """Every key is whole, loadable and that of an item which was yielded; returns how many there are."""
    store, yielded = DatasetStore(folder / "store"), (folder / "yielded").stat().st_size
    keys = store.list_keys()
    for key in keys:
        index = int(key.partition("/")[2])
        assert index < yielded
        assert store.load(key) == (index, bytes([index % 251]) * SIZE)
    numbers = {
        kind: {int(key.partition("/")[2]) for key in keys if key.startswith(kind)} for kind in ("item", "result")
    }
    # Saved in order and without gaps; the last one yielded may be missing. A result follows its item.
    assert numbers["item"] == set(range(len(numbers["item"])))
    assert yielded - 1 <= len(numbers["item"]) <= yielded
    assert numbers["result"] == set(range(len(numbers["result"])))
    assert numbers["result"] <= numbers["item"]
    return len(keys)


def test_a_killed_coordinator_leaves_whole_values_only(tmp_path: Path, launch: Launch) -> None:
    """At random moments: each time the store holds whole values only, and the next run may go on in it."""
    moments, saved = random.Random(7), 0
    for kill in range(KILLS):
        (tmp_path / "yielded").unlink(missing_ok=True)
        process = launch(KILLED, ["fork", "fork", "forkserver"][kill % 3])
        wait_for(tmp_path / "yielded")
        time.sleep(moments.uniform(0, 0.15))
        workers = children_of(process.pid)
        process.kill()
        process.communicate(timeout=20)
        assert gone_within(workers, 2) == []
        saved += check_store(tmp_path)
        for file in (tmp_path / "store").rglob("*.pkl"):
            file.unlink()
    assert saved > KILLS


def test_what_a_killed_run_left_is_replaced_by_the_next(tmp_path: Path, launch: Launch) -> None:
    process = launch(KILLED, "fork")
    wait_for(tmp_path / "yielded")
    process.kill()
    process.communicate(timeout=20)
    store = DatasetStore(tmp_path / "store")
    result = count.iter(n=5).save("item/{iteration_index}", save_store=store).then(double).run(workers=2)
    assert result == [0, 2, 4, 6, 8]
    assert [store.load(f"item/{i}") for i in range(5)] == [0, 1, 2, 3, 4]


class FullStore(DatasetStore):
    """The disk is full at one key: half of the value has been written when that shows."""

    def _fill(self, path: str, header: bytes, data: bytes) -> None:
        if pickle.loads(data) != 5:
            return super()._fill(path, header, data)
        super()._fill(path, header, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def begun(x: int, folder: str) -> int:
    Path(folder, f"begun-{x}").touch()
    return x


def test_a_full_disk_ends_the_run_naming_the_key(crew: RuntimeName, tmp_path: Path, nothing_left: None) -> None:
    """The item whose save fails is not dispatched; items before it are whole."""
    store = FullStore(tmp_path / "store")
    items = count.iter(n=50).save("item_{iteration_index}", save_store=store)
    with pytest.raises(OSError, match="No space left on device") as caught:
        items.then(task(begun), folder=str(tmp_path)).run(runtime=crew, workers=2)
    assert any("key 'item_5'" in note for note in caught.value.__notes__)
    assert not (tmp_path / "begun-5").exists()
    assert [store.load(key) for key in store.list_keys()] == [0, 1, 2, 3, 4]
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.task == "count"
    assert [one.name for one in (tmp_path / "store").iterdir() if one.name.startswith("%tmp-")] == []


def test_a_full_disk_at_a_result_ends_the_run_naming_the_key(
    crew: RuntimeName, tmp_path: Path, nothing_left: None
) -> None:
    store = FullStore(tmp_path / "store")
    with pytest.raises(OSError, match="No space left on device") as caught:
        count.iter(n=50).then(task(lambda x: x, name="same")).save("r_{iteration_index}", save_store=store).run(
            runtime=crew, workers=2
        )
    assert any("key 'r_5'" in note for note in caught.value.__notes__)
    assert store.list_keys() == [f"r_{i}" for i in range(5)]


def test_the_limit_of_the_operating_system_ends_the_run_naming_the_key(tmp_path: Path, nothing_left: None) -> None:
    """A file that may not grow further, for real: what was written of it is gone."""

    @task
    def growing(n: int) -> Iterator[bytes]:
        for i in range(n):
            yield bytes(i * 4096)

    store = DatasetStore(tmp_path / "store")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            growing.iter(n=50).save("b_{iteration_index}", save_store=store).then(task(len)).run(workers=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert any("key 'b_5'" in note for note in caught.value.__notes__)
    assert [len(store.load(key)) for key in store.list_keys()] == [i * 4096 for i in range(5)]  # type: ignore[arg-type]
    assert sorted(one.name for one in (tmp_path / "store").iterdir()) == [f"b_{i}.pkl" for i in range(5)]


def test_a_folder_that_cannot_be_used_ends_the_run_naming_the_key(
    crew: RuntimeName, tmp_path: Path, nothing_left: None
) -> None:
    """A file stands where the folder should be: that stops the superuser too, whom permissions do not."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "sub").write_text("in the way")
    store = DatasetStore(tmp_path / "store")
    with pytest.raises(OSError, match="sub") as caught:
        count.iter(n=50).save("sub/{iteration_index}", save_store=store).then(double).run(runtime=crew, workers=2)
    assert any("key 'sub/0'" in note for note in caught.value.__notes__)


class LockedStore(DatasetStore):
    def save(self, key: str, value: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), key)


def test_missing_permission_ends_the_run_naming_the_key(crew: RuntimeName, tmp_path: Path, nothing_left: None) -> None:
    for optimize in (True, False):
        plan = compile(count.iter(n=5).save("k_{iteration_index}", save_store=LockedStore(tmp_path)), optimize=optimize)
        with pytest.raises(PermissionError, match="Permission denied") as caught:
            plan.run(runtime=crew, workers=1)
        assert any("key 'k_0'" in note for note in caught.value.__notes__)
    with pytest.raises(PermissionError, match="Permission denied") as caught:
        double(x=2).save("value", save_store=LockedStore(tmp_path)).run(runtime=crew, workers=1)
    assert any("key 'value'" in note for note in caught.value.__notes__)
