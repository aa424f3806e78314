"""Save without a key."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).save()

# mypy     Missing positional argument "key" in call to "save" of "Future"  [call-arg]
# plugin   Missing positional argument "key" in call to "save" of "Future"  [call-arg]
# pyright  Argument missing for parameter "key"  [reportCallIssue]
# pyrefly  Missing argument `key` in function `daglite.futures.values.Future.save`  [missing-argument]
# ty       No argument provided for required parameter `key` of bound method `Future.save`  [missing-argument]
# python   TypeError
