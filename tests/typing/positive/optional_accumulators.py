"""Optional accumulators."""

from __future__ import annotations

from typing import assert_type

from daglite import ReduceFuture, task
from tests.typing.shop import words


@task
def longest(best: str | None, word: str) -> str | None:
    return word if best is None or len(word) > len(best) else best


assert_type(words.iter(text="a bb").reduce(longest, initial=None), ReduceFuture[str | None])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
