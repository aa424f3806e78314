"""Values as bytes: how items, functions, classes, errors and programs cross to another process, and what crosses.

| file | what it is | file | what it is |
|---|---|---|---|
| wire | one endpoint: pickling, tokens, definitions | cells | items as bytes, a batch as segments |
| registry, code | what goes by name, token or value | drafts, thorough | definitions; dill, where it is needed |
| frames | what crosses a socket | shared | large buffers, which need not cross |
| install, transfer | programs and plans as bytes | errors | exceptions that travel |
"""
