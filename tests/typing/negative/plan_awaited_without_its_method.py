"""Plan awaited without its method."""

from __future__ import annotations

import asyncio

from daglite import compile
from tests.typing.shop import double


async def main() -> None:
    await compile(double(x=1)).run(runtime="inline")


asyncio.run(main())

# mypy     Incompatible types in "await" (actual type "int", expected type "Awaitable[Any]")  [misc]
# plugin   Incompatible types in "await" (actual type "int", expected type "Awaitable[Any]")  [misc]
# pyright  "int" is not awaitable  [reportGeneralTypeIssues]
# pyrefly  Type `int` is not awaitable  [not-async]
# ty       `int` is not awaitable  [invalid-await]
# python   TypeError
