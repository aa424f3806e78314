"""Future awaited."""

from __future__ import annotations

import asyncio

from tests.typing.shop import later


async def main() -> int:
    return await later(x=1)


asyncio.run(main())

# mypy     Returning Any from function declared to return "int"  [no-any-return]
# mypy     Incompatible types in "await" (actual type "TaskFuture[str]", expected type "Awaitable[Any]")  [misc]
# plugin   Returning Any from function declared to return "int"  [no-any-return]
# plugin   Incompatible types in "await" (actual type "TaskFuture[str]", expected type "Awaitable[Any]")  [misc]
# pyright  "TaskFuture[str]" is not awaitable  [reportGeneralTypeIssues]
# pyrefly  Type `TaskFuture[str]` is not awaitable  [not-async]
# ty       `TaskFuture[str]` is not awaitable  [invalid-await]
# python   TypeError: TaskFuture(later) has no value yet: run it (`.run()`) or compile it (`daglite.compile(...)`); in another task call the plain function: later.fn(...)
