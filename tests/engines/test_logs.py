"""Log records and warnings of workers arrive where the coordinator's own do."""

from __future__ import annotations

import logging
import warnings

import pytest

from daglite import task
from daglite.options import StartMethod
from tests.tasks import count


def speak(x: int) -> int:
    log = logging.getLogger("speaker")
    if x == 5:
        log.warning("item %d of %s", x, object)
        log.debug("not asked for")
        print("printed by a worker")
    if x == 6:
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("caught")
    return x


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_records_arrive_with_task_and_index(
    method: StartMethod, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        count.iter(n=10).then(task(speak)).run(workers=2, start_method=method)
    first, second = sorted((r for r in caplog.records if r.name == "speaker"), key=lambda r: r.levelno)
    assert first.getMessage() == "item 5 of <class 'object'>"
    found = vars(first)
    assert (found["daglite_task"], found["daglite_index"]) == ("speak", 5)
    assert found["daglite_worker"] == first.process
    assert second.exc_text is not None
    assert "ZeroDivisionError" in second.exc_text
    out, err = capfd.readouterr()
    assert "item 5" not in err
    if method != "forkserver":
        # The fork server prints where the coordinator printed when it was started, which here is another test.
        assert out.count("printed by a worker") == 1


def warn(x: int) -> int:
    if x == 3:
        warnings.warn("three is old", DeprecationWarning, stacklevel=1)
    return x


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_warnings_arrive(method: StartMethod) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        count.iter(n=5).then(task(warn)).run(workers=1, start_method=method)
    mine = [one for one in seen if "three is old" in str(one.message)]
    assert len(mine) == 1
    assert mine[0].category is DeprecationWarning
