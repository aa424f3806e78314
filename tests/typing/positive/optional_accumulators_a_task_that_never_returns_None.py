"""Optional accumulators: a task that never returns None."""

from __future__ import annotations

from typing import assert_type

from daglite import ReduceFuture, task
from tests.typing.shop import words


@task
def longest(best: str | None, word: str) -> str:
    return word if best is None or len(word) > len(best) else best


assert_type(words.iter(text="a bb").reduce(longest, initial=None), ReduceFuture[str | None])

# mypy     ok
# plugin   ok
# pyright  "assert_type" mismatch: expected "ReduceFuture[str | None]" but received "ReduceFuture[str]"  [reportAssertTypeFailure]
# pyright  Argument of type "None" cannot be assigned to parameter "initial" of type "A@reduce" in function "reduce"  [reportArgumentType]
# pyrefly  ok
# ty       ok
# python   ok
# why      pyright: the result has to be annotated `str | None` as well
