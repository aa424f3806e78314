"""Worker processes: started, fed, woken, watched, replaced and ended.

| file | what it is | file | what it is |
|---|---|---|---|
| pool | the engine: all workers of a run | process | one worker, seen from the coordinator |
| forked, started | how a worker comes to be | bell | how it is woken |
| worker | the loop inside a worker | forks | copies of a worker, made by its task |
| memory | what the kernel says about kills | | |
"""
