"""The store: every key comes back as given, every value as saved, and no reader ever meets half a file."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies as st

from daglite.datasets import DatasetStore
from daglite.exceptions import DatasetError, ParameterError
from daglite.keys import check_key


def legal(key: str) -> bool:
    try:
        check_key(key)
    except DatasetError:
        return False
    return True


# Made to collide: what is escaped, escapes, suffixes, temporary and long names, letters of one, two, three, four bytes.
odd = "a%A.:/\\*? \n\x7fé猫😀"
known = [*odd, ".pkl", "%2E", "%2F", "%41", "%tmp-", "%long-", "x" * 130, "é" * 100, "\ud83d", "\ude00", "a/"]
pieces = st.sampled_from(known)
keys = (st.lists(pieces, max_size=5).map("".join) | st.text(max_size=8) | st.text("a.%/", max_size=6)).filter(legal)


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return DatasetStore(tmp_path / "store")


def everything_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def in_another_process(code: str, folder: Path) -> subprocess.Popen[str]:
    """A Python that runs `code` with `store` at hand."""
    head = "import os, sys\nfrom daglite.datasets import DatasetStore\nstore = DatasetStore(sys.argv[1])\n"
    search = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-c", head + code, str(folder)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": search}, stdout=subprocess.PIPE, text=True)


def test_value_comes_back(store: DatasetStore) -> None:
    for value in (None, 1, [1, "a"], OrderedDict(a=1), (1, (2,)), {1.5}, b"\x80", Path, ParameterError("a")):
        store.save("a/b", value)
        loaded = store.load("a/b")
        assert type(loaded) is type(value)
        assert repr(loaded) == repr(value)


def test_nothing_on_disk_before_first_save(store: DatasetStore) -> None:
    assert store.list_keys() == []
    assert not store.exists("a")
    with pytest.raises(DatasetError, match="has no key 'a'; none of its 0 keys is near; see `list_keys"):
        store.load("a")
    assert not store.path.exists()


def test_files_are_readable_names(store: DatasetStore) -> None:
    for key in ("row_0", "rows/row 1", "at 10:30?", "rows", ".hidden", "a.pkl", "a.pkl/b", "100%", "é"):
        store.save(key, key)
    files = [name for name in everything_below(store.path) if (store.path / name).is_file()]
    names = [".hidden", "100%25", "a%2Epkl/b", "a.pkl", "at 10%3A30%3F", "row_0", "rows", "rows/row 1", "é"]
    assert files == [f"{name}.pkl" for name in names]
    assert pickle.loads((store.path / "row_0.pkl").read_bytes()) == "row_0"


def test_file_has_the_mode_the_user_asked_for(store: DatasetStore) -> None:
    store.save("a", 1)
    (store.path / "plain").touch()
    assert stat.S_IMODE((store.path / "a.pkl").stat().st_mode) == stat.S_IMODE((store.path / "plain").stat().st_mode)


@given(wanted=st.lists(keys, max_size=6, unique=True))
@example(wanted=["a", "a/b", "a.pkl", "a.pkl/b", "a.pkl.pkl", "a%2Epkl/b", "a%2Epkl", ".pkl", ".pkl/.pkl"])
@example(
    wanted=["x" * 5000, "x" * 5001, "x/" * 3000 + "x", "é" * 130, "😀/" * 100 + "b", "%" * 90, "x" * 251, "x" * 252]
)
@example(wanted=["\ud83d\ude00", "😀", "\ud83d", "\udc80", "a\udcff", "A", "a%41", "%41", "a\\b", "\n", " ", "a\r"])
@example(
    wanted=["%tmp-1-ab", "%tmp-1-ab.pkl", "%long-", "%long-" + "0" * 64, "x" * 300 + "%long-" + "0" * 64, "~", "con"]
)
def test_any_legal_key_is_kept_as_given(wanted: list[str]) -> None:
    """Law: what was saved is listed, loaded and deleted under the very same key, each independent of the others."""
    with tempfile.TemporaryDirectory() as outer:
        store = DatasetStore(Path(outer, "store"))
        for key in wanted:
            store.save(key, key)
        assert store.list_keys() == sorted(wanted)
        assert [store.load(key) for key in wanted] == wanted
        assert os.listdir(outer) == (["store"] if wanted else []), "nothing beside the store"
        for place, key in enumerate(wanted):
            store.delete(key)
            assert not store.exists(key)
            assert all(store.exists(other) for other in wanted[place + 1 :])
        assert store.list_keys() == []


@given(key=st.lists(st.sampled_from(["..", ".", "/", "\\", "a", "C:", "%2E%2E", "\0", "//"]), max_size=5).map("".join))
@settings(max_examples=4 * settings().max_examples)
def test_no_key_leaves_the_store(key: str) -> None:
    """Law: a key is refused, or its file is in the folder of the store."""
    with tempfile.TemporaryDirectory() as outer:
        store = DatasetStore(Path(outer, "in", "store"))
        if legal(key):
            store.save(key, 1)
            assert os.listdir(outer) == ["in"]
            assert os.listdir(Path(outer, "in")) == ["store"]
        else:
            for use in (store.load, store.exists, store.delete, lambda key: store.save(key, 1)):
                with pytest.raises(DatasetError, match="is not allowed; a key is a relative path"):
                    use(key)
            assert os.listdir(outer) == []


def test_save_replaces(store: DatasetStore) -> None:
    store.save("a", [1] * 1000)
    store.save("a", 2)
    assert (store.load("a"), store.list_keys()) == (2, ["a"])


def test_foreign_files_are_not_listed(store: DatasetStore) -> None:
    store.save("rows/ours", 1)
    for name in (
        "notes.txt",
        "%41.pkl",
        "%3a.pkl",
        "a:b.pkl",
        ".pkl",
        "..pkl",
        "...pkl",
        "%tmp-1-0",
        "%tmp-1.pkl",
        "a%.pkl",
    ):
        (store.path / name).write_bytes(b"")
        (store.path / "rows" / name).write_bytes(b"")
    for name in (
        "C%3A.pkl",
        "a%2Fb.pkl",
        "%FF.pkl",
        f"x%long-{'0' * 64}.pkl",
        f"rows/x%long-{'0' * 64}.pkl",
        "%00.pkl",
    ):
        (store.path / name).write_bytes(b"\xff\xfe")
    (store.path / "folder.pkl" / "sub").mkdir(parents=True)
    (store.path / "folder.pkl" / "a.pkl").touch()
    with open(os.fsencode(store.path) + b"/\xff.pkl", "xb"):
        pass
    assert store.list_keys() == ["rows/ours"]


def test_copied_long_file_is_not_listed_twice(store: DatasetStore) -> None:
    store.save("x" * 300, 1)
    (file,) = store.path.iterdir()
    assert file.name.startswith("x" * 150)
    (store.path / file.name.replace("%long-", "y%long-")).write_bytes(file.read_bytes())
    assert store.list_keys() == ["x" * 300]


def test_loop_of_links_ends(store: DatasetStore) -> None:
    store.save("a/b", 1)
    (store.path / "a" / "loop").symlink_to(store.path, target_is_directory=True)
    assert store.list_keys() == ["a/b"]


def test_missing_key_shows_near_keys(store: DatasetStore) -> None:
    store.path.mkdir()
    for index in range(1000):
        (store.path / f"row_{index}.pkl").touch()
    with pytest.raises(
        DatasetError, match=r"^DatasetStore\(.*\) has no key 'row_999x'; near keys: 'row_999', .*list_keys"
    ):
        store.load("row_999x")
    with pytest.raises(DatasetError, match="has no key 'row_17/x'; near keys: "):
        store.delete("row_17/x")


@pytest.mark.parametrize("damage", [b"", b"\x80\x05", b"not a pickle", b"cno_such_module\nname\n."])
def test_damaged_file_names_the_key(store: DatasetStore, damage: bytes) -> None:
    store.save("a", 1)
    (store.path / "a.pkl").write_bytes(damage)
    with pytest.raises(
        DatasetError, match=r"^key 'a' of DatasetStore\(.*\) cannot be unpickled: \w+: .*delete the key"
    ) as caught:
        store.load("a")
    assert caught.value.__cause__ is not None


def test_value_that_cannot_be_pickled_changes_nothing(store: DatasetStore) -> None:
    message = r"^value of type 'function' for key 'a' cannot be pickled: .*; save plain data"
    with pytest.raises(DatasetError, match=message) as caught:
        store.save("a", lambda: 1)
    assert isinstance(caught.value.__cause__, (pickle.PicklingError, AttributeError))
    assert not store.path.exists()


def test_any_error_while_pickling_is_a_dataset_error(store: DatasetStore) -> None:
    class Odd:
        def __reduce__(self) -> str:
            raise OSError(errno.ENOSPC, "odd")

    store.save("a", 1)
    with pytest.raises(DatasetError, match=r"value of type '.*Odd' for key 'a' cannot be pickled: OSError: .*odd"):
        store.save("a", Odd())
    assert store.load("a") == 1


def test_stores_are_equal_by_type_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(DatasetStore):
        pass

    monkeypatch.chdir(tmp_path)
    store = DatasetStore("data")
    assert repr(store) == "DatasetStore('data')"
    assert repr(Other("data")) == "Other('data')"
    assert store == DatasetStore(Path("./data")) == DatasetStore(tmp_path / "data", durable=True)
    assert len({store, DatasetStore("data"), DatasetStore("data/x"), Other("data")}) == 3
    assert store != Other("data")
    assert store != "data"
    assert pickle.loads(pickle.dumps(store)) == store
    assert not Path("data").exists()


def test_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = DatasetStore("data")
    monkeypatch.chdir("/")
    store.save("a", 1)
    assert everything_below(tmp_path) == ["data", "data/a.pkl"]


@pytest.mark.parametrize("path", ["", None, 3, b"data", ["data"]])
def test_path_must_be_a_folder(path: object) -> None:
    with pytest.raises(ParameterError, match=r"^`path` must be the path of a folder, a text or a `Path`; got "):
        DatasetStore(path)  # type: ignore[arg-type]


def test_durable_must_be_a_bool(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"^`durable` must be True or False; got 1$"):
        DatasetStore(tmp_path, durable=1)  # type: ignore[arg-type]


def test_durable_store_syncs_file_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = os.fsync

    def watched(number: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{number}")).relative_to(tmp_path).as_posix())
        sync(number)

    monkeypatch.setattr(os, "fsync", watched)
    store = DatasetStore(tmp_path / "new" / "store", durable=True)
    store.save("a/b", 1)
    assert synced[:3] == ["new/store", "new", "."]
    assert synced[3].startswith("new/store/a/%tmp-")
    assert synced[4:] == ["new/store/a"]
    DatasetStore(tmp_path / "quick").save("a/b", 1)
    assert (len(synced), store.load("a/b")) == (5, 1)


def test_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="Not a directory") as caught:
        DatasetStore(tmp_path / "file").save("a", 1)
    assert caught.value.__notes__ == [f"daglite: while saving key 'a' of DatasetStore('{tmp_path}/file')"]
    assert everything_below(tmp_path) == ["file"]


def test_folder_where_a_file_should_be(store: DatasetStore) -> None:
    (store.path / "a.pkl").mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match="Is a directory") as caught:
        store.save("a", 1)
    assert caught.value.__notes__ == [f"daglite: while saving key 'a' of {store!r}"]
    with pytest.raises(IsADirectoryError, match="Is a directory") as caught:
        store.load("a")
    assert caught.value.__notes__ == [f"daglite: while loading key 'a' of {store!r}"]
    assert not store.exists("a")
    assert everything_below(store.path) == ["a.pkl"], "no temporary file is left"


def test_failing_disk_leaves_the_old_value(store: DatasetStore) -> None:
    """A limit on the size of files is a disk that is full in the middle of a file."""
    store.save("a", "old")
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.save("a", bytes(300_000))
except OSError as error:
    print(error.errno, *error.__notes__, sep="|")
"""
    with in_another_process(code, store.path) as process:
        said, _ = process.communicate()
    assert said == f"{errno.EFBIG}|daglite: while saving key 'a' of {store!r}\n"
    assert store.load("a") == "old"
    assert everything_below(store.path) == ["a.pkl"], "no temporary file is left"


def test_interrupted_save_leaves_nothing(store: DatasetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt("now")

    store.save("a", "old")
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt, match="now"):
        store.save("a", "new")
    assert (store.load("a"), everything_below(store.path)) == ("old", ["a.pkl"])


def test_killed_writer_leaves_no_half_file(store: DatasetStore) -> None:
    code = """
while True:
    for place in range(5):
        store.save(f"k{place}/v", [place] * 200_000)
        print(place, flush=True)
"""
    for wait in range(12):
        with in_another_process(code, store.path) as process:
            assert process.stdout is not None
            for _ in range(wait + 1):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        found = store.list_keys()
        assert "k0/v" in found
        assert all(store.load(key) == [int(key[1])] * 200_000 for key in found)


def test_processes_and_threads_share_a_store(store: DatasetStore) -> None:
    """Writers and deleters of one key; a reader sees a whole value or none."""
    code = """
for turn in range(150):
    store.save("deep/er/k", [os.getpid()] * 20_000)
    if turn % 10 == 9:
        try:
            store.delete("deep/er/k")
        except Exception as error:
            assert type(error).__name__ == "DatasetError", error
"""
    processes = [in_another_process(code, store.path) for _ in range(2)]
    own = threading.Thread(target=exec, args=(code, {"store": store, "os": os}))
    own.start()
    seen, refusals = set[int](), set[str]()
    while own.is_alive() or any(process.poll() is None for process in processes):
        try:
            value = store.load("deep/er/k")
        except DatasetError as error:
            refusals.add(str(error))
            continue
        assert isinstance(value, list)
        assert len(value) == 20_000
        seen |= set(value)
        assert store.list_keys() in ([], ["deep/er/k"])
    own.join()
    assert [process.wait() for process in processes] == [0, 0]
    for process in processes:
        process.communicate()
    assert seen <= {os.getpid(), *(process.pid for process in processes)}
    assert all("has no key" in text for text in refusals), "half a file was read"
    assert set(everything_below(store.path)) <= {"deep", "deep/er", "deep/er/k.pkl"}


def test_subclass_keeps_values_its_own_way(tmp_path: Path) -> None:
    class Recorder(DatasetStore):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self.saved: list[str] = []

        def save(self, key: str, value: object) -> None:
            super().save(key, value)
            self.saved.append(key)

    store = Recorder(tmp_path)
    store.save("a", 1)
    assert (store.saved, store.load("a"), repr(store)) == (["a"], 1, f"Recorder('{tmp_path}')")
