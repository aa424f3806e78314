"""A stream that begins in this process and may move to workers.

| file | what it is | file | what it is |
|---|---|---|---|
| adaptive | the stream | choice | when it moves, and where to: pure |
| copies | what is copied until then, as workers would | | |
"""
