"""Forward log records and warnings of workers to the coordinator, with the task and the index of the item.

worker process      forward_logs: all records and warnings are sent
worker of a cluster collect_records: the records of the threads that work for a run are collected
worker thread       tag_records_of_this_thread: records stay in this process, and get the same attributes
"""

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
# On worker threads, `where` returns the task and the index of the item.
_thread = threading.local()


def log_settings() -> bytes:
    """Return the log levels and warning filters of this process, for workers."""
    named = logging.Logger.manager.loggerDict
    levels = {name: one.level for name, one in list(named.items()) if isinstance(one, logging.Logger) and one.level}
    filters = [one for one in warnings.filters if _is_picklable(one)]
    return pickle.dumps((levels | {"": logging.getLogger().level}, filters))


def forward_logs(settings: bytes, send: Callable[[bytes], None], where: _Where) -> None:
    """In a worker, send every record and warning; `where` returns the task and the index of the item."""
    levels, filters = pickle.loads(settings)
    warnings.filters[:] = filters  # type: ignore[index]  # a list, whatever its stub says
    root = logging.getLogger()
    for logger in [root, *logging.Logger.manager.loggerDict.values()]:
        if isinstance(logger, logging.Logger):
            # A forked worker has the handlers of the coordinator, which would show each record twice.
            logger.handlers = []
            logger.propagate = True
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    forward = _ForwardingHandler(send, where)
    root.addHandler(forward)

    def send_warning(*warning: object) -> None:
        with contextlib.suppress(Exception):
            send(pickle.dumps(warning))

    warnings.showwarning = lambda message, category, filename, lineno, file=None, line=None: send_warning(
        str(message), category, filename, lineno
    )

    def stop_forwarding() -> None:
        """In a copy that a task has forked, show records and warnings as a plain script does."""
        root.removeHandler(forward)
        warnings.showwarning = _show_here

    os.register_at_fork(after_in_child=stop_forwarding)


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
        """Return the record as picklable values, with its arguments formatted into the message."""
        values = dict(vars(record))
        values["msg"], values["args"] = record.getMessage(), None
        if record.exc_info:
            values["exc_text"], values["exc_info"] = _FORMATTER.formatException(record.exc_info), None
        task, index = self._where()
        values |= {"daglite_task": task, "daglite_index": index, "daglite_worker": record.process}
        return {name: value for name, value in values.items() if _is_picklable(value)}


_Keep: TypeAlias = Callable[[bytes], None]


class _CollectingHandler(_ForwardingHandler):
    """Forward the records of the threads that work for a run, in a process that has other threads too."""

    def __init__(self) -> None:
        super().__init__(lambda record: _thread.keep(record), lambda: _thread.where())

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(_thread, "keep", None) is not None:
            super().emit(record)


_COLLECTOR = _CollectingHandler()


@contextlib.contextmanager
def collect_records(keep: _Keep | None, where: _Where) -> Iterator[None]:
    """Call `keep`, if it is not None, with the records of this thread, tagged with the task and the index of the item.

    The log levels are those of this process, which may belong to other programs as well.
    """
    if keep is not None:
        # Adding it twice does nothing.
        logging.getLogger().addHandler(_COLLECTOR)
    _thread.keep, _thread.where = keep, where
    try:
        yield
    finally:
        _thread.keep = _thread.where = None


def _is_picklable(value: object) -> bool:
    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True


def handle_record(data: bytes) -> None:
    """In the coordinator, handle a record of a worker, or show its warning."""
    try:
        found: Any = pickle.loads(data)
    except Exception:
        # An attribute of a class that this process cannot load: the log must not end the run.
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
    """Tag the records of a worker thread with the task and the index of the item, like those of worker processes."""
    _thread.where = where


class _RecordTagger:
    """Tag the records of worker threads while any run has some; all other records are not changed."""

    def __init__(self) -> None:
        self._runs = 0
        # A run that is collected as garbage may end anywhere, even in these methods.
        self._lock = threading.RLock()
        self._tagging = self._previous = logging.getLogRecordFactory()

    def begin(self) -> None:
        """Count one more run with worker threads."""
        with self._lock:
            self._runs += 1
            if self._runs == 1:
                self._previous = logging.getLogRecordFactory()
                self._tagging = _tagged(self._previous)
                logging.setLogRecordFactory(self._tagging)

    def end(self) -> None:
        """Count one run less."""
        with self._lock:
            self._runs -= 1
            # The user may have set a factory that calls this one meanwhile: then this one stays, and does no harm.
            if not self._runs and logging.getLogRecordFactory() is self._tagging:
                logging.setLogRecordFactory(self._previous)


def _tagged(make: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    def tagged(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        where: _Where | None = getattr(_thread, "where", None)
        if where is not None:
            record.daglite_task, record.daglite_index = where()
            record.daglite_worker = threading.get_native_id()
        return record

    return tagged


TAGGING = _RecordTagger()
