"""Run with an unknown option."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).run(worker=2)

# mypy     Unexpected keyword argument "worker" for "run" of "Future"; did you mean "workers"?  [call-arg]
# plugin   Unexpected keyword argument "worker" for "run" of "Future"; did you mean "workers"?  [call-arg]
# pyright  No parameter named "worker"  [reportCallIssue]
# pyrefly  Unexpected keyword argument `worker` in function `daglite.futures.values.Future.run`  [unexpected-keyword]
# ty       ok
# python   ParameterError: unknown option 'worker'; known: runtime, workers, start_method, worker_retries, max_items_per_worker, seed, max_failures, store, observers, progress, trace; did you mean 'workers'?
# why      ty: it does not see unknown names among `**options: Unpack[...]`
