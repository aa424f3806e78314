"""What tells observers of a run; loaded when there are any.

| file | what it is | file | what it is |
|---|---|---|---|
| watch | who listens, and what a run tells | watched | the parts of a stream that tell of it |
| tally | clocks around the calls of steps | clocks | clocks around sources, operations, folds |
"""
