"""The one loop over a stream with workers, and what it decides: no engine, no socket.

| file | what it is | file | what it is |
|---|---|---|---|
| stream | the loop: pull, send, take, pass on | helper | works while the source is stuck |
| source | the generator, its saves, its capture | endings | collect, join, reduce, hand over |
| route, leg | the legs of a stream, one for each segment | routing | the legs put together |
| beside | streams that others pull | company | streams at work together: one lock, one wait |
| sending/ | batches on their way to workers and back | operating/ | operations between legs |
| window, merge | how much is alive, in what order it goes on | verdict, ledger | errors that end a run, or do not |
"""
