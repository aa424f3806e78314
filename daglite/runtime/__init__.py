"""The runtime: from a program to its results. It never sees the ir or the compiler.

| file | what it is | file | what it is |
|---|---|---|---|
| engines | what users choose: Processes, Threads and Inline | run, context | one run, its stages; what they share |
| assemble | a stream's parts put together | stream | the one loop over a stream with workers |
| inline | the same without workers | window, batch, merge, verdict | the loop's decisions, pure |
| source | the generator, its saves, its capture | endings | collect, join, reduce, hand over |
| shipping | batches under way | calls | single calls under way |
| board | who waits for which reply | executor | what an engine is |
| pool | the process engine | process | one worker process, seen from the coordinator |
| threads | the thread engine | thread | one worker thread, and where it fetches its work |
| forked, started | how a worker process comes to be | bell | how it is woken |
| memory | what the kernel says about kills | forks | copies of a worker, made by its task |
| worker | the loop inside a worker process | work | what a worker does with a batch |
| chain | tasks bound to their arguments | flat | a chain as one generated loop |
| codec | how items cross, by reference too | frames, shared | what crosses a socket, and what need not |
| wire, cells | pickling; items as bytes | install, transfer | programs and plans as bytes |
| registry, code | what goes by value | drafts, thorough | its definition; dill, where it is needed |
| errors | exceptions that travel | failures | what an error says |
| adaptive, copies | a stream that begins here and moves, and what is copied until then | choice | when it moves, pure |
| helper | works while the source is stuck | awaiting | async tasks and generators |
| logs | records and warnings of workers | saving | keys and stores of a run |
| empty | what folds on workers start from | tally | clocks around the calls of steps |
| watch | who listens to a run | watched | the parts of a stream that tell of it |
"""

from __future__ import annotations

from daglite.runtime.engines import Inline, Processes, Threads

__all__ = ["Inline", "Processes", "Threads"]
