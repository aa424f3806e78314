"""A stream that begins in this process and may move to workers.

| file | what it is | file | what it is |
|---|---|---|---|
| adaptive | the stream | choice | when it moves, and where to: pure |
| course | what it does until then, measured | copies | what is copied meanwhile, as workers would |
| opening | all of that put together | | |
"""
