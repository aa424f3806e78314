"""A store of values in a folder: one pickle file for each key, which a reader never sees incomplete.

    key "rows/row_1"      file  <store>/rows/row_1.pkl
    key "rows"            file  <store>/rows.pkl             the suffix allows a key and keys below it at the same time
    key "at 10:30?"       file  <store>/at 10%3A30%3F.pkl    characters that file systems refuse as % and bytes
    a very long key       file  <store>/<its beginning>%long-<hash>.pkl, which has the whole name in its first line

Files whose names no key can have are not listed: those of other programs, and temporary files, which begin with `%tmp-`
(in names of keys two hexadecimal digits follow each `%`). A writer that is killed leaves its temporary file behind.
"""

from __future__ import annotations

import os
import pickle
import re
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from daglite.exceptions import DatasetError, ParameterError
from daglite.keys import check_key
from daglite.lazy import lazy
from daglite.options import Store

if TYPE_CHECKING:
    import difflib
    import hashlib
    import pathlib
    from urllib import parse
else:
    difflib, hashlib, pathlib = lazy("difflib"), lazy("hashlib"), lazy("pathlib")
    parse = lazy("urllib.parse")


_PROTOCOL = 5
_SUFFIX = ".pkl"
_TEMPORARY = "%tmp-"
_LONG = "%long-"
# Limits in bytes: of one name (as on most file systems), of a whole path (far below theirs, so that the store can be
# anywhere), and of the part of a long key in its name.
_NAME_BYTES = 255
_PATH_BYTES = 512
_SHOWN_BYTES = 150
_FILE_LIKE = re.compile(r"\.(?=pkl\Z)")
# Characters that some file system, or UTF-8, refuses; and `%`, which escapes them.
_UNSAFE = re.compile(r'[%\\:*?"<>|\x00-\x1f\x7f\ud800-\udfff]')
_SEARCHED = 200


class DatasetStore:
    """Named values in the folder `path`. Override `save` and `load` in a subclass to keep values elsewhere.

    The constructor touches nothing on disk; the first `save` makes the folder. A relative `path` is resolved when the
    store is made. With `durable=True` a saved value is on the disk, not only with the operating system, when `save`
    returns, which takes some milliseconds more. Any number of threads and processes may use one folder.

    Illegal and missing keys raise `DatasetError`; errors of the disk are raised as `OSError` with a note that names the
    key. Loading a value runs code that its file names, as pickle does: load only from stores that you trust.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = DatasetStore(folder)
    ...     store.save("rows/row_0", (1, 2))
    ...     store.load("rows/row_0"), store.list_keys()
    ((1, 2), ['rows/row_0'])
    """

    def __init__(self, path: str | os.PathLike[str], *, durable: bool = False) -> None:
        """Make a store; raise `ParameterError` when `path` is not a path or `durable` is not a bool."""
        given = os.fspath(path) if isinstance(path, str | os.PathLike) else path
        if not isinstance(given, str) or not given:
            raise ParameterError(f"`path` must be the path of a folder, a text or a `Path`; got {path!r}")
        if not isinstance(durable, bool):
            raise ParameterError(f"`durable` must be True or False; got {durable!r}")
        self.path = pathlib.Path(path)
        self.durable = durable
        self._root = os.path.abspath(given)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, DatasetStore) or type(self) is not type(other):
            return NotImplemented
        return self._root == other._root

    def __hash__(self) -> int:
        return hash((type(self), self._root))

    def save(self, key: str, value: object) -> None:
        """Keep `value` under `key`, in place of an earlier value, completely or not at all.

        Raises `DatasetError` for illegal keys and values that cannot be pickled, before the disk is touched.
        """
        name, header = _file_of(key)
        try:
            data = pickle.dumps(value, protocol=_PROTOCOL)
        except Exception as error:
            kind, reason = type(value).__qualname__, f"{type(error).__name__}: {error}"
            advice = "save plain data or instances of importable classes"
            raise DatasetError(
                f"value of type '{kind}' for key {key!r} cannot be pickled: {reason}; {advice}"
            ) from error
        with self._naming(key, "saving"):
            self._write(os.path.join(self._root, name), header, data)

    def load(self, key: str) -> object:
        """Return the value under `key`; raise `DatasetError` when there is none, or it cannot be unpickled."""
        name, header = _file_of(key)
        with self._naming(key, "loading"):
            try:
                with open(os.path.join(self._root, name), "rb") as file:
                    data = file.read()
            except (FileNotFoundError, NotADirectoryError):
                raise self._missing(key) from None
        try:
            return pickle.loads(memoryview(data)[len(header) :])
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            advice = "the file is damaged, or the code it names has changed; delete the key or bring the code back"
            raise DatasetError(f"key {key!r} of {self!r} cannot be unpickled: {reason}; {advice}") from error

    def exists(self, key: str) -> bool:
        """Return whether there is a value under `key`."""
        return os.path.isfile(os.path.join(self._root, _file_of(key)[0]))

    def delete(self, key: str) -> None:
        """Delete the value under `key`; raise `DatasetError` when there is none."""
        with self._naming(key, "deleting"):
            try:
                os.unlink(os.path.join(self._root, _file_of(key)[0]))
            except (FileNotFoundError, NotADirectoryError):
                raise self._missing(key) from None

    def list_keys(self) -> list[str]:
        """Return all keys, sorted. Folders that are symbolic links are not entered."""
        return sorted(key for name in _files_below(self._root) if (key := self._key_at(name)) is not None)

    def _write(self, path: str, header: bytes, data: bytes) -> None:
        """Write a file atomically: under a temporary name in the same folder, then renamed to `path`."""
        folder = os.path.dirname(path)
        # Random, so that two threads, or a process and its fork, never share a name.
        temporary = os.path.join(folder, f"{_TEMPORARY}{os.getpid()}-{os.urandom(8).hex()}")
        try:
            try:
                self._fill(temporary, header, data)
            except FileNotFoundError:
                self._make_folder(folder)
                self._fill(temporary, header, data)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        if self.durable:
            _sync_folder(folder)

    def _fill(self, path: str, header: bytes, data: bytes) -> None:
        with open(path, "xb") as file:
            file.write(header)
            file.write(data)
            if self.durable:
                file.flush()
                os.fsync(file.fileno())

    def _make_folder(self, folder: str) -> None:
        above, made = [], folder
        while not os.path.isdir(made):
            made = os.path.dirname(made)
            above.append(made)
        os.makedirs(folder, exist_ok=True)
        if self.durable:
            # A new folder survives a crash of the machine only when its parent is on the disk too.
            for each in above:
                _sync_folder(each)

    def _key_at(self, name: str) -> str | None:
        """Return the key whose file is `name`; None for a file of another program."""
        whole = name
        if _LONG in name:
            try:
                with open(os.path.join(self._root, name), "rb") as file:
                    whole = file.readline().rstrip(b"\n").decode()
            except (FileNotFoundError, UnicodeDecodeError):
                return None
        try:
            key = _unescape(whole.removesuffix(_SUFFIX))
            # Only names that `save` writes count, so not other spellings, such as '%41' for 'A'.
            return key if _file_of(key)[0] == name else None
        except (DatasetError, UnicodeError):
            return None

    def _missing(self, key: str) -> DatasetError:
        keys = self.list_keys()
        place = bisect_left(keys, key)
        # To compare all keys of a large store would take minutes; keys near it in the order are enough.
        near = difflib.get_close_matches(key, keys[max(place - _SEARCHED, 0) : place + _SEARCHED])
        shown = "near keys: " + ", ".join(map(repr, near)) if near else f"none of its {len(keys)} keys is near"
        return DatasetError(f"{self!r} has no key {key!r}; {shown}; see `list_keys()`")

    @contextmanager
    def _naming(self, key: str, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.add_note(f"daglite: while {doing} key {key!r} of {self!r}")
            raise


def store_of(given: object, option: str) -> Store | None:
    """Return the store given as an option, or a store in the given folder; None for None.

    Raises `ParameterError` for other values.
    """
    if isinstance(given, type):
        raise ParameterError(
            f"`{option}` takes a store, and '{given.__name__}' is a class: make one, such as "
            f"`{given.__name__}('folder')`"
        )
    if given is None or isinstance(given, Store):
        return given
    if isinstance(given, str | os.PathLike):
        return DatasetStore(given)
    raise ParameterError(f"`{option}` must be a store (an object with `save(key, value)`) or a folder; got {given!r}")


def _file_of(key: str) -> tuple[str, bytes]:
    """Return the path of a key's file in the store, and the first bytes of the file; different for any two keys."""
    check_key(key)
    *folders, last = (_escape(part) for part in key.split("/"))
    # No folder has the suffix of a file: the key 'a.pkl/b' is a file in 'a%2Epkl', 'a.pkl' is the file of 'a'.
    names = [_FILE_LIKE.sub("%2E", each) for each in folders] + [last + _SUFFIX]
    name = "/".join(names)
    encoded = name.encode()
    if len(encoded) <= _PATH_BYTES and all(len(each.encode()) <= _NAME_BYTES for each in names):
        return name, b""
    shown = name.replace("/", "%2F").encode()[:_SHOWN_BYTES].decode(errors="ignore")
    return f"{shown}{_LONG}{hashlib.sha256(encoded).hexdigest()}{_SUFFIX}", encoded + b"\n"


def _escape(part: str) -> str:
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode(errors="surrogatepass")), part)


def _unescape(part: str) -> str:
    return parse.unquote_to_bytes(part).decode(errors="surrogatepass")


def _files_below(root: str) -> Iterator[str]:
    """Yield the files with the suffix of the store below a folder, as paths with '/' from `root`."""
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        with suppress(FileNotFoundError), os.scandir(os.path.join(root, inside)) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{inside}{entry.name}/")
                elif entry.name.endswith(_SUFFIX):
                    yield inside + entry.name


def _sync_folder(folder: str) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
