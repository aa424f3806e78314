"""Stable tokens: the digest of a value, the same in every process that holds an equal value.

The content of a token:

* Values of different types differ, such as `1`, `1.0` and `True`; so do `0.0` and `-0.0`. All nans are equal.
* Sets and dicts have no order, `OrderedDict` has one. Sharing does not matter: `[x, x]` equals `[x, copy(x)]`.
* Of a function: its name, bytecode, constants, defaults and closure values, and the names of the module globals that
  it uses. Not its file, line, module, annotations and attributes.
* Of a class that can be imported: its module and name. Of one in `__main__` or in a function: its bases and
  attributes. Of an instance: its class and its state; of a dataclass instance all fields.
* A class may define `__daglite_token__(self)`: the token of an instance is that of its class and the returned value.

    class Model:
        def __daglite_token__(self) -> object:
            return self.path, self.version

Tokens are stable within one Python minor version, because bytecode changes from one to the next.
"""

from __future__ import annotations

from daglite.tokens.graph import token
from daglite.tokens.parts import UnstableValue
from daglite.tokens.same import same_function, same_value

__all__ = ["UnstableValue", "same_function", "same_value", "token"]
