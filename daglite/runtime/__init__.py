"""The runtime: from a program to its results. It never sees the ir or the compiler.

| file | what it is | file | what it is |
|---|---|---|---|
| engines | what users choose: Processes, Threads and Inline | run, context | one run, its stages; what they share |
| assemble | a stream's parts put together | stream | the one loop over a stream with workers |
| inline | the same without workers | window, batch, merge | the loop's decisions, pure |
| source | the generator, its saves, its capture | endings | collect, join, reduce, hand over |
| route, leg | the legs of a stream, one for each segment | shipping | batches under way |
| operators, pipe | operations at work, pure; several in a row | segments | operations and tasks bound for a run |
| calls | single calls under way | verdict | which error ends a run |
| between, inlet | what stands between two legs | routing | the legs put together |
| coroutines, coroutine | the engine for async tasks on threads | segments, operators | operations, bound and at work |
| board | who waits for which reply | executor | what an engine is |
| processes/ | worker processes: the engine, starting, waking | travel/ | values as bytes, and what crosses a socket |
| threads | the thread engine | thread | one worker thread, and where it fetches its work |
| chain | tasks bound to their arguments | flat | a chain as one generated loop |
| clusters/ | workers on other machines: Dask, Ray | | |
| work | what a worker does with a batch | codec | how items cross, by reference too |
| failures | what an error says | saving | keys and stores of a run |
| adaptive, copies | a stream that begins here and moves, and what is copied until then | choice | when it moves, pure |
| helper | works while the source is stuck | awaiting | async tasks and generators |
| logs | records and warnings of workers | empty | what folds on workers start from |
| watch, tally | who listens to a run; clocks around calls | watched | the parts of a stream that tell of it |
"""

from __future__ import annotations

from daglite.runtime.clusters.engines import Dask, Ray
from daglite.runtime.engines import Inline, Processes, Threads

__all__ = ["Dask", "Inline", "Processes", "Ray", "Threads"]
