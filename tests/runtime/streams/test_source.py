"""What a stream draws on is closed, all of it."""

from __future__ import annotations

import pytest

from daglite.runtime.streams.source import close_all


def test_one_that_cannot_be_closed_keeps_no_other_open() -> None:
    log: list[str] = []

    class Ending:
        def __init__(self, name: str) -> None:
            self._name = name

        def close(self) -> None:
            log.append(self._name)
            raise RuntimeError(f"in the end of {self._name}")

    with pytest.raises(RuntimeError, match="in the end of other"):
        close_all([Ending("one"), Ending("other")])
    assert log == ["one", "other"]
