"""Compile with an unknown option."""

from __future__ import annotations

from daglite import compile
from tests.typing.shop import double

compile(double(x=1), optimise=False)

# mypy     Unexpected keyword argument "optimise" for "compile"; did you mean "optimize"?  [call-arg]
# plugin   Unexpected keyword argument "optimise" for "compile"; did you mean "optimize"?  [call-arg]
# pyright  No parameter named "optimise"  [reportCallIssue]
# pyrefly  Unexpected keyword argument `optimise` in function `daglite.compile.compile`  [unexpected-keyword]
# ty       Argument `optimise` does not match any known parameter of function `compile`  [unknown-argument]
# python   ParameterError: `compile` has no option 'optimise'; it has optimize, max_in_flight, max_batch_size, max_in_flight_bytes, helper_thread, check_types; did you mean 'optimize'?
