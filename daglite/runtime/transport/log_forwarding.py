"""Log records and warnings of workers: shown where the coordinator shows its own, with task and item index."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TextIO, TypeAlias, cast

_FORMATTER = logging.Formatter()
_Where: TypeAlias = Callable[[], tuple[str, int | None]]
# On worker threads, `where` tells the task and the item's index.
_thread = threading.local()


def log_settings() -> bytes:
    """The log levels and warning filters of this process: a worker needs no configuration of its own."""
    named = logging.Logger.manager.loggerDict
    levels = {name: one.level for name, one in list(named.items()) if isinstance(one, logging.Logger) and one.level}
    filters = [one for one in warnings.filters if _travels(one)]
    return pickle.dumps((levels | {"": logging.getLogger().level}, filters))


def forward_logs(settings: bytes, send: Callable[[bytes], None], where: _Where) -> None:
    """In a worker: send every record and warning away; `where` tells the task and the item's index."""
    levels, filters = pickle.loads(settings)
    warnings.filters[:] = filters  # type: ignore[index]  # a list, whatever its stub says
    root = logging.getLogger()
    for logger in [root, *logging.Logger.manager.loggerDict.values()]:
        if isinstance(logger, logging.Logger):
            # A forked worker has the coordinator's handlers: with them a record would be shown twice.
            logger.handlers = []
            logger.propagate = True
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    forward = _ForwardingHandler(send, where)
    root.addHandler(forward)

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        with contextlib.suppress(Exception):
            send(pickle.dumps((str(message), category, filename, lineno)))

    warnings.showwarning = show

    def speak_for_itself() -> None:
        """In a copy that a task has forked: nobody forwards anything, so that it is shown as by a plain script."""
        root.removeHandler(forward)
        warnings.showwarning = _show_here

    os.register_at_fork(after_in_child=speak_for_itself)


def _show_here(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    with contextlib.suppress(Exception):
        cast("TextIO", file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))


class _ForwardingHandler(logging.Handler):
    def __init__(self, send: Callable[[bytes], None], where: _Where) -> None:
        super().__init__()
        self._send = send
        self._where = where

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(pickle.dumps(self._plain(record)))
        except Exception:
            self.handleError(record)

    def _plain(self, record: logging.LogRecord) -> dict[str, object]:
        """The record as plain values: its arguments may be anything, the text is what counts."""
        values = dict(vars(record))
        values["msg"], values["args"] = record.getMessage(), None
        if record.exc_info:
            values["exc_text"], values["exc_info"] = _FORMATTER.formatException(record.exc_info), None
        task, index = self._where()
        values |= {"daglite_task": task, "daglite_index": index, "daglite_worker": record.process}
        return {name: value for name, value in values.items() if _travels(value)}


_Keep: TypeAlias = Callable[[bytes], None]


class _CollectingHandler(_ForwardingHandler):
    """For a process whose threads work for whoever asks: forwards the records of threads that somebody listens to."""

    def __init__(self) -> None:
        super().__init__(lambda record: _thread.keep(record), lambda: _thread.where())

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(_thread, "keep", None) is not None:
            super().emit(record)


_COLLECTOR = _CollectingHandler()


@contextlib.contextmanager
def collect_records(keep: _Keep | None, where: _Where) -> Iterator[None]:
    """Give `keep` the records that this thread makes, marked with the task and the item's index; None: to nobody.

    The levels are those of this process, which may have others to report to.
    """
    if keep is not None:
        # Adding it twice does nothing.
        logging.getLogger().addHandler(_COLLECTOR)
    _thread.keep, _thread.where = keep, where
    try:
        yield
    finally:
        _thread.keep = _thread.where = None


def _travels(value: object) -> bool:
    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True


def handle_record(data: bytes) -> None:
    """In the coordinator: hand a worker's record to the handlers here, or show its warning."""
    try:
        found: Any = pickle.loads(data)
    except Exception:
        # An extra of a class this process cannot load: the log must not end the run.
        logging.getLogger("daglite").warning("a log record of a worker could not be loaded")
        return
    if isinstance(found, tuple):
        text, category, filename, lineno = cast("tuple[str, type[Warning], str, int]", found)
        warnings.showwarning(text, category, filename, lineno)
        return
    record = logging.makeLogRecord(found)
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def tag_records_of_this_thread(where: _Where) -> None:
    """In a worker thread: its records say the task and the item's index, as those of worker processes do."""
    _thread.where = where


class _RecordMarker:
    """Marks the records made on worker threads while any run has some; all other records stay as they are."""

    def __init__(self) -> None:
        self._runs = 0
        # A run that is collected as garbage may end anywhere, even in here.
        self._lock = threading.RLock()
        self._made = self._below = logging.getLogRecordFactory()

    def begin(self) -> None:
        """One more run has worker threads."""
        with self._lock:
            self._runs += 1
            if self._runs == 1:
                self._below = logging.getLogRecordFactory()
                self._made = _marking(self._below)
                logging.setLogRecordFactory(self._made)

    def end(self) -> None:
        """One run less."""
        with self._lock:
            self._runs -= 1
            # The user may have put a factory on top meanwhile: then this one stays under it, and does no harm.
            if not self._runs and logging.getLogRecordFactory() is self._made:
                logging.setLogRecordFactory(self._below)


def _marking(make: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    def marked(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        where: _Where | None = getattr(_thread, "where", None)
        if where is not None:
            record.daglite_task, record.daglite_index = where()
            record.daglite_worker = threading.get_native_id()
        return record

    return marked


MARKING = _RecordMarker()
