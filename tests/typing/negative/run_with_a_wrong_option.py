"""Run with a wrong option."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).run(runtime="proceses")

# mypy     Argument "runtime" to "run" of "Future" has incompatible type "Literal['proceses']"; expected "Literal['processes', 'threads', 'inline', 'auto', 'dask', 'ray'] | Runtime"  [arg-type]
# plugin   Argument "runtime" to "run" of "Future" has incompatible type "Literal['proceses']"; expected "Literal['processes', 'threads', 'inline', 'auto', 'dask', 'ray'] | Runtime"  [arg-type]
# pyright  Argument of type "Literal['proceses']" cannot be assigned to parameter "runtime" of type "RuntimeName | ClusterName | Runtime" in function "run"  [reportArgumentType]
# pyrefly  Argument `Literal['proceses']` is not assignable to parameter `runtime` with type `Literal['auto', 'dask', 'inline', 'processes', 'ray', 'threads'] | Runtime` in function `daglite.futures.values.Future.run`  [bad-argument-type]
# ty       Argument to bound method `Future.run` is incorrect: Expected `Literal["processes", "threads", "inline", "auto", "dask", "ray"] | Runtime`, found `Literal["proceses"]`  [invalid-argument-type]
# python   ParameterError: `runtime` must be one of 'processes', 'threads', 'inline', 'auto', 'dask', 'dask://host:port', 'ray', or an object of `daglite.runtime` such as `Processes(workers=4)`, `Dask(client)` or `Ray('host:port')`; got 'proceses'; did you mean 'processes'?
