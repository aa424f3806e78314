"""Run with an option of compile."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).run(max_in_flight=8)

# mypy     Unexpected keyword argument "max_in_flight" for "run" of "Future"  [call-arg]
# plugin   Unexpected keyword argument "max_in_flight" for "run" of "Future"  [call-arg]
# pyright  No parameter named "max_in_flight"  [reportCallIssue]
# pyrefly  Unexpected keyword argument `max_in_flight` in function `daglite.futures.values.Future.run`  [unexpected-keyword]
# ty       ok
# python   ParameterError: 'max_in_flight' is an option of compile: write `daglite.compile(..., max_in_flight=...)`
# why      ty: it does not see unknown names among `**options: Unpack[...]`
