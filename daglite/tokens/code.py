"""Functions as data: their behaviour, without the place where they are written."""

from __future__ import annotations

import dis
import inspect
from itertools import pairwise
from types import CodeType, FunctionType

from daglite.tokens.parts import ValuePart, pack

# The flags that affect a call. The others depend on the place of a function: nested or not, `__future__` imports, a
# docstring.
_FLAGS = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ITERABLE_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
# Constants of a class body that depend on its place in the file; Python 3.13 added the last two.
_PLACE_NAMES = frozenset({"__qualname__", "__firstlineno__", "__static_attributes__"})


class EmptyCell:
    """The value of a closure variable that has none (yet)."""


def local_name(qualname: str) -> str:
    """Return a qualified name without the functions in which it is defined.

    >>> local_name("outer.<locals>.Inner.method")
    'Inner.method'
    """
    return qualname.rpartition("<locals>.")[2]


def split_function(fn: FunctionType) -> ValuePart:
    """Split a function into its code, defaults and closure values, by name, without annotations and attributes."""
    code = fn.__code__
    defaults = fn.__defaults__ or ()
    named = sorted((fn.__kwdefaults__ or {}).items())
    cells = [_content(cell) for cell in fn.__closure__ or ()]
    positional = code.co_varnames[: code.co_argcount][code.co_argcount - len(defaults) :]
    name = local_name(fn.__qualname__)
    return ValuePart(
        pack("function", name, len(defaults), *(key for key, _ in named)),
        (code, *defaults, *(value for _, value in named), *cells),
        (
            "",
            *(f"default of '{key}'" for key in (*positional, *(key for key, _ in named))),
            *(f"closure value '{key}'" for key in code.co_freevars),
        ),
        noun=f"function '{name}'",
    )


def split_code(code: CodeType) -> ValuePart:
    """Split a code object into bytecode, names and constants, without file, lines, stack size and enclosing names.

    `co_code` is the bytecode as compiled, even where the interpreter has specialised it or a tracer has marked it.
    """
    body, constants = _class_body(code) if "__qualname__" in code.co_names else (code.co_code, code.co_consts)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _FLAGS)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    label = pack("code", code.co_name, *counts, body, code.co_exceptiontable, *(pack(*group) for group in names))
    return ValuePart(label, constants, [f"constant {at}" for at in range(len(constants))])


def _content(cell: object) -> object:
    try:
        return cell.cell_contents  # type: ignore[attr-defined]
    except ValueError:  # empty: a function that is called before, or after, its closure variable has a value
        return EmptyCell


def _class_body(code: CodeType) -> tuple[bytes, tuple[object, ...]]:
    """Return a class body without the constants that depend on its place, and shift the indices of the others."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    placed = {
        at.offset for at, after in pairwise(steps) if after.opname == "STORE_NAME" and after.argval in _PLACE_NAMES
    }
    loads = [step for step in steps if _loads_constant(step)]
    body = pack(*(pack("LOAD", 0) if _loads_constant(step) else pack(step.opname, step.arg or 0) for step in steps))
    return body, tuple(step.argval for step in loads if step.offset not in placed)


def _loads_constant(step: dis.Instruction) -> bool:
    # Since 3.14 small numbers are part of the instruction, so that the line of a class decides between two of them.
    return step.opcode in dis.hasconst or step.opname == "LOAD_SMALL_INT"
