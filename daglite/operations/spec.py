"""The fields of an operation's spec; see `daglite.operations`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import GenericAlias
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from daglite.records import record

if TYPE_CHECKING:
    from daglite.operations.operator import Operator, OperatorInputs

# How random pipelines fill an argument: a whole number of a range, a task that answers yes or no, another stream, a
# task that folds, or the value that a fold starts from.
Drawn: TypeAlias = range | Literal["predicate", "stream", "fold", "initial"]


class ItemTypes(NamedTuple):
    """The types around an operation: as annotations in `check_types`, as texts in `explain`.

    `item` is the type of its items, `result` that of what its task returns, `operand` that of the items of its other
    stream. `held(type)` is the type of what a container holds.
    """

    item: object
    result: object
    operand: object
    held: Callable[[object], object]


def list_of(item: object) -> GenericAlias:
    """Return the type of a list of such items."""
    return GenericAlias(list, (item,))


def tuple_of(*items: object) -> GenericAlias:
    """Return the type of a tuple of such items."""
    return GenericAlias(tuple, items)


@record
class OperatorSpec:
    """One operation of a stream: what it means, and everything that the compiler, `explain` and the runtime need.

    - `meaning` makes the outputs of any iterable of items, in a few lines: it defines the operation. Its arguments are
      those of the method. Laws compare every runtime with it.
    - `operator` makes what does the same at run time, item by item.
    - `output` gives the type of the outputs.
    - `keeps(**numbers)` is the text in `explain` for the items that it keeps; empty where it keeps none.
    - `demand(count, **numbers)` is the number of items that it needs for `count` outputs; None where that depends on
      the items. It moves the limit of a `.take` to the source.
    - `operand` is the name of the argument that it reads beside its items and its whole numbers.
    - `draws` tells random pipelines how to fill the arguments of the method.
    - `reads_stream`: its operand is a stream that it pulls, one item for each of its own.
    - `expands`: one item may cause several outputs; otherwise it causes at most one.
    - `any_order`: the set of outputs does not depend on the order of the items.
    - `forwards`: no object reaches its outputs twice: an output is an item, is made of items, or is new.
    """

    meaning: Callable[..., Iterator[object]]
    operator: Callable[[OperatorInputs], Operator]
    output: Callable[[ItemTypes], object]
    keeps: Callable[..., str] = lambda **_: ""
    demand: Callable[..., int | None] = lambda _, **__: None
    operand: str = ""
    draws: tuple[Drawn, ...] = ()
    reads_stream: bool = False
    expands: bool = False
    any_order: bool = False
    forwards: bool = False
