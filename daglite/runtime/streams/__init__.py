"""The one loop over a stream with workers, and what it decides: no engine, no socket.

| file | what it is | file | what it is |
|---|---|---|---|
| stream | the loop: pull, send, take, pass on | helper | works while the source is stuck |
| source | the generator, its saves, its capture | endings | collect, join, reduce, hand over |
| route, leg | the legs of a stream, one for each segment | routing | the legs put together |
| between, inlet | what stands between two legs | segments | operations and tasks bound for a run |
| operators, pipe | operations at work, pure; several in a row | spread | results that come in pieces |
| shipping, flight | batches under way | opened | those whose results come in pieces |
| attempts, ended | what their worker did not answer | blaming | what is said of an item that failed |
| gathering | parts of folds that stay with the workers | tree | which of them go together next, pure |
| window, batch, merge | how much, how large, in what order | verdict, ledger | errors that end a run, or do not |
"""
