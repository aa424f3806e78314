"""Workers that are threads of this process, or coroutines on one of them.

| file | what it is | file | what it is |
|---|---|---|---|
| session | the thread engine | thread | one worker thread, and where it fetches its work |
| coroutines | the engine for async tasks | coroutine | their event loop |
| desk | what both engines share | forked | copies of a coroutine's process |
"""
