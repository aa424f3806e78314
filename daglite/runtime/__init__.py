"""The runtime: from a program to its results. It never sees the ir or the compiler.

engines    what users choose: Processes, Inline                     run        one run: which stage may start
stream     the one loop over a stream                               window batch merge verdict   its decisions
inline     the same, in this process, one item after the other      endings    collect, join, reduce, hand over
source     the generator, its saves, capture at yield               saving     keys and stores of a run
shipping   batches under way                                        calls      single calls on workers
board      who waits for which reply                                executor   what an engine is
pool       worker processes                                         process    one worker process, seen from here
worker     the loop inside a worker                                 chain      tasks bound to their arguments
frames     what crosses a socket                                    install    programs on the wire
wire       pickling, definitions                                    errors     exceptions that travel
failures   what an error says                                       awaiting   async tasks and generators
helper     the thread that works while the source is stuck          logs       log records and warnings of workers
"""

from __future__ import annotations

from daglite.runtime.engines import Inline, Processes

__all__ = ["Inline", "Processes"]
