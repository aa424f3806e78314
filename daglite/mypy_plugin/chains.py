"""What a future passes on: `then`, `filter`, `join` and `reduce` check the item against the parameter it fills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mypy.errorcodes import ARG_TYPE, CALL_ARG
from mypy.expandtype import expand_type
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import (
    ARG_NAMED,
    ARG_NAMED_OPT,
    ARG_POS,
    ARG_STAR,
    ARG_STAR2,
    CallExpr,
    Expression,
    FuncDef,
    LambdaExpr,
    NameExpr,
    OverloadedFuncDef,
    RefExpr,
    TypeInfo,
)
from mypy.plugin import CheckerPluginInterface, MethodSigContext
from mypy.subtypes import is_subtype
from mypy.typeops import make_simplified_union
from mypy.types import (
    AnyType,
    CallableType,
    FunctionLike,
    Instance,
    Type,
    TypeOfAny,
    UninhabitedType,
    UnionType,
    flatten_nested_unions,
    get_proper_type,
)

from daglite.mypy_plugin.shapes import (
    Parameter,
    TaskSignature,
    call_of,
    keywords_of,
    name_of,
    named,
    or_future,
    shape_of,
    shown,
    signature,
    without_fixed,
)

_FUTURE = "daglite.futures.values.Future"
_ITEMS = "daglite.futures.items.Items"
_FAILED = "daglite.failed.Failed"
_LIST = "builtins.list"
_ITERABLE = "typing.Iterable"
_UNKNOWN = AnyType(TypeOfAny.special_form)


@dataclass(frozen=True)
class ChainCall:
    """One `.then(task, ...)`, `.join(task, ...)` or `.reduce(task, ...)`."""

    context: MethodSigContext
    call: CallExpr
    method: str
    given: Expression
    keywords: Sequence[str]

    @property
    def api(self) -> CheckerPluginInterface:
        """Where types are shown and mistakes are reported."""
        return self.context.api

    @property
    def task(self) -> str:
        """How the source calls the task."""
        return name_of(self.given)

    @property
    def title(self) -> str:
        """How mypy's own messages call the method."""
        return f"{self.method}({self.task})"

    def no_task(self, given: Type) -> str | None:
        """What to say when something is given that is surely not a task: a function, a class, a future."""
        if isinstance(given, FunctionLike):
            # A variable of a callable type may hold a task; the name of a function or class is what it says.
            if not isinstance(self.given, LambdaExpr) and not _is_definition(self.given):
                return None
            what = "class" if given.is_type_obj() else "function"
            if isinstance(self.given, LambdaExpr):
                return f'"{self.method}" needs a task; got a lambda: write task(lambda ...)'
            way = (
                f"write task({self.task})"
                if what == "class"
                else f'decorate it with "@task", or write task({self.task})'
            )
            return f'"{self.method}" needs a task; got {what} "{self.task}": {way}'
        if isinstance(given, Instance) and any(info.fullname == _FUTURE for info in given.type.mro):
            if isinstance(self.given, CallExpr) and isinstance(self.given.callee, NameExpr):
                return (
                    f'"{self.method}" needs a task; got a call of it, which is a future: write '
                    f'".{self.method}({self.task}, ...)", with what else it takes as extras'
                )
            return f'"{self.method}" needs a task; got a future, {shown(given, self.api)}'
        return None

    def refuse(self, reason: str, result: Instance) -> CallableType:
        """Report what is no task; what comes of it is unknown, and nothing else about the call is looked at."""
        self.api.fail(reason, self.given, code=ARG_TYPE)
        return self.context.default_signature.copy_modified(
            arg_types=[_UNKNOWN, _UNKNOWN, _UNKNOWN],
            arg_kinds=[ARG_POS, ARG_STAR, ARG_STAR2],
            arg_names=[None, None, None],
            ret_type=result.copy_modified(args=[_UNKNOWN for _ in result.args]),
            variables=[],
        )

    def check_item(self, item: Type, parameter: Parameter, shape: TaskSignature, *, what: str = "") -> bool:
        """Report an item that its parameter does not take."""
        if is_subtype(item, parameter.type):
            return True
        self.api.fail(
            f'"{self.method}" gives {what}{shown(item, self.api)} to parameter {_quoted(parameter)} of task '
            f'"{self.task}", which takes {shown(parameter.type, self.api)}{self._hint(item, parameter, shape)}',
            self.given,
            code=ARG_TYPE,
        )
        return False

    def check_answer(self, shape: TaskSignature) -> None:
        """Report a task that answers with something else than yes or no."""
        if not is_subtype(shape.result, self.api.named_generic_type("builtins.bool", [])):
            self.api.fail(
                f'"{self.method}" needs a task that returns "bool"; task "{self.task}" returns '
                f"{shown(shape.result, self.api)}",
                self.given,
                code=ARG_TYPE,
            )

    def _hint(self, item: Type, parameter: Parameter, shape: TaskSignature) -> str:
        all_items, wanted = _item_of_list(item), _item_of_list(parameter.type)
        if self.method == "join" and all_items is not None and is_subtype(all_items, parameter.type):
            return '; use ".then" to give it one item at a time'
        if self.method == "then" and wanted is not None and is_subtype(item, wanted):
            return '; use ".join" to give it the list of all items'
        others = [p for p in shape.free(self.keywords) if p is not parameter and is_subtype(item, p.type)]
        if self.method not in ("reduce", "scan") and others and parameter.name is not None:
            return f'; to give it to {_quoted(others[0])}, fix "{parameter.name}" with ".partial" or as an extra'
        return ""


def chain_signature(context: MethodSigContext, gives: Callable[[Type], Type] | None = None) -> CallableType:
    """`.then`, `.filter` and `.join`: the item meets the first free parameter, the extras meet the others."""
    chain, result = _chain(context), get_proper_type(context.default_signature.ret_type)
    wanted = get_proper_type(context.default_signature.arg_types[0])
    if chain is None or not isinstance(result, Instance) or not isinstance(wanted, CallableType):
        return context.default_signature
    return _applied(chain, result, wanted.arg_types[0], gives)


def flat_signature(context: MethodSigContext) -> CallableType:
    """`.flat_map`: the same, and what the task gives is taken apart; that it can be is left to the plain types."""
    chain = _chain(context)
    shape = None if chain is None else shape_of(context.api.get_expression_type(chain.given))
    held = None if shape is None else _held_in(shape.result)
    if held is None:
        return context.default_signature if shape is not None else chain_signature(context)
    return chain_signature(context, lambda _: held)


def attempt_signature(context: MethodSigContext) -> CallableType:
    """`.attempt`: the same for what is no `Failed` yet; mypy asks for each of its overloads, and has one answer."""
    chain, result = _chain(context), get_proper_type(context.default_signature.ret_type)
    stream = get_proper_type(context.type)
    if chain is None or not isinstance(result, Instance) or not isinstance(stream, Instance):
        return context.default_signature
    base = next(info for info in stream.type.mro if info.fullname == _ITEMS)
    (streamed,) = map_instance_to_supertype(stream, base).args
    item, lost = _taken_apart(streamed)
    failed = next(one for one in _members(result.args[0]) if _is_failed(one))
    assert isinstance(failed, Instance)

    def gives(value: Type) -> Type:
        return make_simplified_union([value, failed.copy_modified(args=[lost])])

    return _applied(chain, result, item, gives)


def _applied(
    chain: ChainCall, result: Instance, item: Type, gives: Callable[[Type], Type] | None = None
) -> CallableType:
    """The signature of a chaining method that gives `item` to its task; `gives` tells the items that come of it."""
    context = chain.context
    given = get_proper_type(context.api.get_expression_type(chain.given))
    if (reason := chain.no_task(given)) is not None:
        return chain.refuse(reason, result)
    shape = shape_of(given)
    if shape is None:
        return context.default_signature
    if chain.method in ("filter", "take_while"):
        chain.check_answer(shape)
    elif chain.method != "for_each":
        result = result.copy_modified(args=[shape.result if gives is None else gives(shape.result)])
    shape = without_fixed(shape, chain.call, chain.task, context.api)
    free = shape.free(chain.keywords)
    if not free:
        context.api.fail(
            f'"{chain.method}" needs a parameter of task "{chain.task}" that nothing else fills; it has none',
            chain.given,
            code=CALL_ARG,
        )
        return signature(context.default_signature, [_task_of(shape), *_extras(chain, shape, [])], result, chain.title)
    chain.check_item(item, free[0], shape)
    parameters = [_task_of(shape), *_extras(chain, shape, free[:1])]
    return signature(context.default_signature, parameters, result, chain.title)


def _taken_apart(streamed: Type) -> tuple[Type, Type]:
    """What a stream may hold: the items that are no `Failed`, and what all of them were at first."""
    members = _members(streamed)
    failed = [one for one in map(get_proper_type, members) if isinstance(one, Instance) and _is_failed(one)]
    others = [one for one in members if not _is_failed(one)]
    item = make_simplified_union(others) if others else UninhabitedType()
    return item, make_simplified_union([*(one.args[0] for one in failed), item])


def _members(type_: Type) -> list[Type]:
    proper = get_proper_type(type_)
    return flatten_nested_unions(proper.items) if isinstance(proper, UnionType) else [type_]


def _is_failed(type_: Type) -> bool:
    proper = get_proper_type(type_)
    return isinstance(proper, Instance) and proper.type.fullname == _FAILED


def reduce_signature(context: MethodSigContext) -> CallableType:
    """`.reduce` and `.scan`: the accumulator is the first free parameter of the task, the item meets the second."""
    plain, chain = context.default_signature, _chain(context)
    result, step = get_proper_type(plain.ret_type), get_proper_type(plain.arg_types[0])
    if chain is None or not isinstance(result, Instance) or not isinstance(step, Instance):
        return plain
    given = get_proper_type(context.api.get_expression_type(chain.given))
    if (reason := chain.no_task(given)) is not None:
        return chain.refuse(reason, result)
    shape = shape_of(given)
    if shape is None:
        return plain
    free = shape.free(())
    if len(free) < 2:
        has = ", ".join(map(_quoted, free)) or "none"
        context.api.fail(
            f'"{chain.method}" needs two free parameters of task "{chain.task}", the accumulator and the item; '
            f"it has {has}",
            chain.given,
            code=CALL_ARG,
        )
        types = _reduce_types(plain, _UNKNOWN, _UNKNOWN, context.api)
        return plain.copy_modified(arg_types=types, ret_type=result.copy_modified(args=[shape.result]), variables=[])
    accumulator, item = free[:2]
    folds = _check_fold(chain, shape, accumulator, item, step.args[-1])
    # The order being wrong, nothing can be said about `initial`.
    types = _reduce_types(plain, shape.task, accumulator.type if folds else _UNKNOWN, context.api)
    gives = result.copy_modified(args=[accumulator.type])
    return plain.copy_modified(arg_types=types, ret_type=gives, variables=[], name=chain.title)


def _reduce_types(plain: CallableType, task: Type, accumulator: Type, api: CheckerPluginInterface) -> list[Type]:
    """What a folding method takes once the accumulator is known; where it takes one, a future of one will do."""
    known = {variable.id: accumulator for variable in plain.variables}
    rest = [expand_type(one, known) for one in plain.arg_types[2:]]
    values = {
        place: make_simplified_union([or_future(accumulator, api), one])
        for place, (name, one) in enumerate(zip(plain.arg_names[2:], rest, strict=True))
        if name == "empty"
    }
    return [task, or_future(accumulator, api), *(values.get(place, one) for place, one in enumerate(rest))]


def _check_fold(
    chain: ChainCall, shape: TaskSignature, accumulator: Parameter, item: Parameter, streamed: Type
) -> bool:
    """Report a task that cannot fold this stream: its order, its item, what it returns, what it still needs.

    Tells whether the order is right.
    """
    api = chain.api
    swapped = (
        is_subtype(streamed, accumulator.type)
        and not is_subtype(streamed, item.type)
        and is_subtype(shape.result, item.type)
    )
    if swapped:
        api.fail(
            f'"{chain.method}" gives the accumulator first and the item second: task "{chain.task}" takes '
            f"{shown(accumulator.type, api)} for {_quoted(accumulator)} and {shown(item.type, api)} for "
            f"{_quoted(item)}; swap them",
            chain.given,
            code=ARG_TYPE,
        )
    elif chain.check_item(streamed, item, shape, what="items of ") and not is_subtype(shape.result, accumulator.type):
        api.fail(
            f'"{chain.method}" gives what task "{chain.task}" returns back to its accumulator: it returns '
            f"{shown(shape.result, api)}, and {_quoted(accumulator)} takes {shown(accumulator.type, api)}",
            chain.given,
            code=ARG_TYPE,
        )
    left = [p for p in shape.parameters if p.required and p not in (accumulator, item)]
    if left:
        api.fail(
            f'"{chain.method}" leaves {", ".join(map(_quoted, left))} of task "{chain.task}" without a value; '
            'fix it with ".partial"',
            chain.given,
            code=CALL_ARG,
        )
    return not swapped


def _chain(context: MethodSigContext) -> ChainCall | None:
    """The call when the plugin can read it: a method call whose first argument is a plain positional one."""
    call = call_of(context.context)
    if call is None or not call.args or call.arg_kinds[0] is not ARG_POS or context.default_signature.name is None:
        return None
    keywords = keywords_of(call)
    method = context.default_signature.name.partition(" ")[0]
    return None if keywords is None else ChainCall(context, call, method, call.args[0], keywords)


def _task_of(shape: TaskSignature) -> Parameter:
    return Parameter(None, ARG_POS, shape.task)


def _extras(chain: ChainCall, shape: TaskSignature, filled: Sequence[Parameter]) -> list[Parameter]:
    """What a chain takes behind the task: values by position first, then what the call gives by name."""
    rest = [p for p in shape.parameters if p not in filled]
    types = {id(p): or_future(p.type, chain.api) for p in rest}
    places = [Parameter(p.name, p.kind, types[id(p)]) for p in rest if p.single and not _by_name(p, chain)]
    variadic = [Parameter(p.name, p.kind, types[id(p)]) for p in rest if not p.single]
    names = [named(p, types[id(p)]) for p in rest if p.single and _by_name(p, chain)]
    stars = [p for p in variadic if p.kind.is_star() and p.kind.is_positional(star=True)]
    return [*places, *stars, *names, *(p for p in variadic if p not in stars)]


def _is_definition(expression: Expression) -> bool:
    return isinstance(expression, RefExpr) and isinstance(expression.node, FuncDef | OverloadedFuncDef | TypeInfo)


def _item_of_list(type_: Type) -> Type | None:
    proper = get_proper_type(type_)
    return proper.args[0] if isinstance(proper, Instance) and proper.type.fullname == _LIST else None


def _held_in(type_: Type) -> Type | None:
    """What comes out of something when it is iterated; None where that is not known."""
    proper = get_proper_type(type_)
    if isinstance(proper, AnyType):
        return proper
    if not isinstance(proper, Instance):
        return None
    base = next((info for info in proper.type.mro if info.fullname == _ITERABLE), None)
    return None if base is None else map_instance_to_supertype(proper, base).args[0]


def _by_name(parameter: Parameter, chain: ChainCall) -> bool:
    return parameter.kind in (ARG_NAMED, ARG_NAMED_OPT) or parameter.name in chain.keywords


def _quoted(parameter: Parameter) -> str:
    return f'"{parameter.name}"' if parameter.name is not None else "that is positional only"
