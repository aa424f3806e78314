"""The runtime: from a program to its results. It never sees the ir or the compiler.

| file | what it is | file | what it is |
|---|---|---|---|
| engines | what users choose | executor | what an engine is |
| run, context | one run, its stages; what they share | assemble | a stream's parts put together |
| streams/ | the one loop over a stream with workers | inline | the same without workers |
| processes/ | worker processes: the engine, starting, waking | threads/ | worker threads and coroutines |
| clusters/ | workers on other machines: Dask, Ray | auto/ | streams that begin here and move |
| travel/ | values as bytes, and what crosses a socket | watching/ | what observers are told |
| calls | single calls under way | board | who waits for which reply |
| chain | tasks bound to their arguments | flat | a chain as one generated loop |
| work | what a worker does with a batch | codec | how items cross, by reference too |
| trying | calls that may fail, again and for good | failures | what an error says |
| saving | keys and stores of a run | awaiting | async tasks and generators |
| aside | a run on a thread, awaited | replay | one failed item once more |
| spots | numbers of steps for seeds and waits | advice | about common mistakes |
| logs | records and warnings of workers | empty | what folds on workers start from |
| sections | many legs without workers | | |
"""

from __future__ import annotations

from daglite.runtime.engines.config import Dask, Inline, Processes, Ray, Threads

__all__ = ["Dask", "Inline", "Processes", "Ray", "Threads"]
