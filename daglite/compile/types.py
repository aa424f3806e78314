"""check_types: compare the annotations of neighbouring tasks, for users who run no type checker.

Only clear errors are reported: plain classes of which neither is a subclass of the other, also inside the same
container. A missing annotation, or one that cannot be read here, fits everything.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from typing import (
    IO,
    Any,
    BinaryIO,
    NewType,
    TextIO,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from daglite.exceptions import TaskError
from daglite.functions import Function
from daglite.ir.nodes import (
    Argument,
    Call,
    CompositeMapTaskNode,
    CompositeTaskNode,
    FilterNode,
    IterNode,
    JoinNode,
    MapTaskNode,
    Node,
    OperationNode,
    ReduceNode,
    SaveNode,
    TakeNode,
    TaskNode,
    Value,
)
from daglite.ir.walk import postorder
from daglite.operations import spec_of
from daglite.operations.spec import ItemTypes

_STREAMS = (Iterator, Generator, Iterable, AsyncIterator, AsyncGenerator, AsyncIterable)
_CONTAINERS = (list, set, frozenset, Iterable, Iterator, Sequence)
_UNIONS = (Union, types.UnionType)
# Annotations for objects of other classes.
_OPEN = (IO, BinaryIO, TextIO)
# Types that checkers accept for others beside subclasses.
_PROMOTED = {int: (float, complex), float: (complex,), bytearray: (bytes,), memoryview: (bytes,)}

# The call that takes a value, the name of its parameter, the function that gives the value, the type given.
Passed: TypeAlias = tuple[Call, str, Function | None, object]


def check_types(root: Node) -> None:
    """Raise `TaskError` for the first value that is given to a parameter of clearly another type.

    `root` is a graph as futures build it, its saves attached.
    """
    for node in postorder(root):
        for call, name, giver, given in _passed(node):
            wanted = _hints(call.function.fn).get(name, Any)
            if giver is not None and not _fits(given, wanted):
                raise TaskError(
                    f"task '{call.function.name}' takes {_shown(wanted)} for '{name}'; "
                    f"task '{giver.name}' gives {_shown(given)}"
                )


def _passed(node: Node) -> list[Passed]:
    """Return what reaches the parameters of a node's call from other nodes."""
    match node:
        case SaveNode() | TakeNode() | CompositeMapTaskNode() | CompositeTaskNode():
            return []
        case TaskNode() | IterNode():
            items: list[Passed] = []
        case MapTaskNode():
            sources = [(b.name, b.argument) for b in node.sources]
            items = [(node.call, name, *_element_of(one)) for name, one in sources if not isinstance(one, Value)]
        case FilterNode():
            items = [(node.call, node.items[0], *_element_of(node.source))]
        case JoinNode():
            items = [(node.call, node.items[0], *_value_of(node.source))]
        case ReduceNode():
            items = [*_folded(node, node.initial), *_combined(node, node.call.function)]
        case OperationNode(items=(_, _)):
            items = _folded(node, node.operand)
        case OperationNode():
            items = [(node.call, name, *_element_of(node.source)) for name in node.items]
    return [*items, *_arguments(node.call)]


def _folded(node: ReduceNode | OperationNode, initial: Argument | None) -> list[Passed]:
    """Return what reaches a task that folds: the items, what it returns itself, and the initial accumulator."""
    call, (accumulator, item) = node.call, node.items
    start = [] if initial is None or isinstance(initial, Value) else [(call, accumulator, *_value_of(initial))]
    again = (call, accumulator, call.function, _result(call.function))
    return [(call, item, *_element_of(node.source)), again, *start]


def _combined(node: ReduceNode, fold: Function) -> list[Passed]:
    """Return what reaches the parameters of `combine`: what the fold returns, and what it returns itself."""
    if node.combine is None:
        return []
    call = node.combine.call
    givers = [fold, call.function]
    parts = [(call, name, giver, _result(giver)) for giver in givers for name in node.combine.items]
    empty = node.combine.empty
    start = [] if empty is None or isinstance(empty, Value) else [(node.call, node.items[0], *_value_of(empty))]
    return [*parts, *start, *_arguments(call)]


def _arguments(call: Call) -> list[Passed]:
    bound = [(b.name, b.argument) for b in (*call.fixed, *call.bound)]
    return [(call, name, *_value_of(argument)) for name, argument in bound if not isinstance(argument, Value)]


def _value_of(node: Node) -> tuple[Function | None, object]:
    """Return the function that gives the value of a node, and its type; a stream arrives as the list of its items."""
    if isinstance(node, IterNode | MapTaskNode | FilterNode | TakeNode | OperationNode):
        function, item = _element_of(node)
        return function, _list_of(item)
    if isinstance(node, SaveNode | CompositeMapTaskNode | CompositeTaskNode):
        return None, Any
    function, given = node.call.function, _result(node.call.function)
    return function, _list_of(given) if function.streams else given


def _element_of(node: Node) -> tuple[Function | None, object]:
    """Return the function that gives the items of a node, and their type."""
    while isinstance(node, FilterNode | TakeNode):
        node = node.source
    if isinstance(node, IterNode):
        return node.call.function, _result(node.call.function)
    if isinstance(node, MapTaskNode):
        function, given = node.call.function, _result(node.call.function)
        return function, _list_of(given) if function.streams else given
    if isinstance(node, OperationNode):
        return _made_by(node)
    giver, many = _value_of(node)
    return giver, _held(many)


def _made_by(node: OperationNode) -> tuple[Function | None, object]:
    """Return the function that gives what an operation makes its outputs of, and their type."""
    giver, item = _element_of(node.source)
    other = Any if node.operand is None or isinstance(node.operand, Value) else _element_of(node.operand)[1]
    types = ItemTypes(item, _result(node.call.function), other, _held)
    made = spec_of(node.kind).output(types)
    return (node.call.function if made is types.result else giver), made


def _held(container: object) -> object:
    return _argument(container) if get_origin(container) in _CONTAINERS else Any


def _list_of(item: object) -> object:
    return types.GenericAlias(list, (item,))


def _result(function: Function) -> object:
    """Return the annotation of what a function returns; of one item when it streams."""
    returned = _hints(function.fn).get("return", Any)
    if get_origin(returned) is Coroutine and not inspect.iscoroutinefunction(function.fn):
        # The coroutine is awaited, as that of an `async def`.
        return get_args(returned)[-1]
    if not function.streams:
        return returned
    return _argument(returned) if get_origin(returned) in _STREAMS else Any


def _argument(annotation: object) -> object:
    return get_args(annotation)[0] if get_args(annotation) else Any


def _hints(fn: Callable[..., object]) -> dict[str, object]:
    """Return the annotations of a function by parameter; none where they cannot be read."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if hasattr(fn, "__wrapped__"):
        # The annotations are those of the function that a decorator was given, not of the one that it made.
        return {}
    try:
        if inspect.isclass(fn):
            made = {"return": fn} if _makes_itself(fn) else {}
            return {**get_type_hints(fn.__init__), "return": Any, **made}
        return get_type_hints(fn if inspect.isroutine(fn) else type(fn).__call__)
    except Exception:
        # A name that exists for checkers only, a local class: it is not clearly wrong.
        return {}


def _makes_itself(cls: type) -> bool:
    """Return whether a call of a class surely gives an object of it: only `__init__` is its own."""
    return type(cls).__call__ is type.__call__ and not inspect.isfunction(cls.__new__)


def _fits(given: object, wanted: object) -> bool:
    """Return whether a value of one annotation fits another; True unless it clearly does not."""
    if get_origin(wanted) in _UNIONS:
        return any(_fits(given, one) for one in get_args(wanted))
    if get_origin(given) in _UNIONS:
        return any(_fits(one, wanted) for one in get_args(given))
    given, wanted = _plain(given), _plain(wanted)
    have, need = get_origin(given) or given, get_origin(wanted) or wanted
    if not isinstance(have, type) or not isinstance(need, type) or Any in (have, need):
        return True
    if have is need:
        pairs = list(zip(get_args(given), get_args(wanted), strict=False))
        return len(get_args(given)) != len(get_args(wanted)) or all(
            # Covariance and the like are left to checkers.
            _fits(one, other) or _fits(other, one)
            for one, other in pairs
        )
    return _related(have, need)


def _plain(annotation: object) -> object:
    """Return what a new type or a typed dict is when the program runs."""
    while isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    return dict if is_typeddict(annotation) else annotation


def _related(have: type, need: type) -> bool:
    """Return whether an object may be of both classes; always for protocols and the like."""
    if any(getattr(one, "_is_protocol", False) or one in _OPEN for one in (have, need)):
        return True
    try:
        promoted = any(issubclass(have, one) and need in others for one, others in _PROMOTED.items())
        return promoted or issubclass(have, need) or issubclass(need, have)
    except TypeError:
        return True


def _shown(annotation: object) -> str:
    return inspect.formatannotation(annotation)
