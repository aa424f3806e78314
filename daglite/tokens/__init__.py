"""Stable tokens: a digest of what a value *is*, the same in every process that holds an equal value.

Public here: `token`, `UnstableValue`, `same_function`, `same_value`. What goes in and what stays out:

* Values count with their exact type: `1`, `1.0` and `True` differ, so do `0.0` and `-0.0`; every nan is one nan.
* Sets, and dicts like ==, have no order. `OrderedDict` has one. Sharing does not count: `[x, x]` is `[x, copy(x)]`.
* A function is its name, bytecode, constants, defaults and closure values. Module globals it uses count by their
  name only. File, line, module, annotations and function attributes stay out.
* A class that can be imported is its module and name. One of `__main__`, or made inside a function, is its bases and
  attributes. An instance is its class with its state; a dataclass instance all its fields.
* An object that knows better defines `__daglite_token__(self)`: the token is that of its class and the returned value.

    class Model:
        def __daglite_token__(self) -> object:
            return self.path, self.version

Stable within one Python minor version: bytecode changes from one to the next.
"""

from __future__ import annotations

from daglite.tokens.graph import token
from daglite.tokens.parts import UnstableValue
from daglite.tokens.same import same_function, same_value

__all__ = ["UnstableValue", "same_function", "same_value", "token"]
