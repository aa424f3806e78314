"""What looks at several items, or at one in this process: between two segments that go to workers, or without any.

| file | what it is | file | what it is |
|---|---|---|---|
| operators | operations at work, pure | pipe | several in a row |
| segments | operations and tasks bound for a run | inlet | what a leg draws on, and what leaves the last |
| between | tasks in this process between two legs | pulling | operators over an iterator |
"""
