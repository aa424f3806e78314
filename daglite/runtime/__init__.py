"""The runtime: from a program to its results. It never sees the ir or the compiler.

run        one run: which stage may start, what each needs          saving     keys and stores of a run
stream     the one loop over a stream                               window batch merge   its pure decisions
inline     the same, in this process, one item after another        endings    collect, join, reduce, hand over
board      who waits for which reply                                executor   what an engine is
pool       worker processes                                         frames     what crosses a socket
worker     the loop inside a worker                                 chain      tasks bound to their arguments
wire       pickling, definitions                                    errors     exceptions that travel
failures   what an error says                                       awaiting   async tasks and generators
"""
