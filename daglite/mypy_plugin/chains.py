"""Hooks for methods of futures: `then`, `filter`, `join`, `reduce` check the item against the parameter it fills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mypy.errorcodes import ARG_TYPE, CALL_ARG, ErrorCode
from mypy.expandtype import expand_type
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
    arguments_of,
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
        """The interface of mypy for showing types and reporting mistakes."""
        return self.context.api

    @property
    def task(self) -> str:
        """The name of the task in the source."""
        return name_of(self.given)

    @property
    def title(self) -> str:
        """The name of the method in mypy's own messages."""
        return f"{self.method}({self.task})"

    def fail(self, text: str, code: ErrorCode = ARG_TYPE) -> None:
        """Report a mistake at the task."""
        self.api.fail(text, self.given, code=code)

    def no_task(self, given: Type) -> str | None:
        """Return the message for an argument that cannot be a task: a function, a class, a future."""
        if isinstance(given, FunctionLike):
            # A variable of a callable type may hold a task; the name of a function or class does not.
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
        if arguments_of(given, _FUTURE) is not None:
            if isinstance(self.given, CallExpr) and isinstance(self.given.callee, NameExpr):
                return (
                    f'"{self.method}" needs a task; got a call of it, which is a future: write '
                    f'".{self.method}({self.task}, ...)", with what else it takes as extras'
                )
            return f'"{self.method}" needs a task; got a future, {shown(given, self.api)}'
        return None

    def refuse(self, reason: str, result: Instance) -> CallableType:
        """Report an argument that is no task; the result is unknown, and the rest of the call is not checked."""
        self.fail(reason)
        return self.context.default_signature.copy_modified(
            arg_types=[_UNKNOWN, _UNKNOWN, _UNKNOWN],
            arg_kinds=[ARG_POS, ARG_STAR, ARG_STAR2],
            arg_names=[None, None, None],
            ret_type=result.copy_modified(args=[_UNKNOWN for _ in result.args]),
            variables=[],
        )

    def check_item(self, item: Type, parameter: Parameter, shape: TaskSignature, *, what: str = "") -> bool:
        """Report an item that does not fit its parameter."""
        if is_subtype(item, parameter.type):
            return True
        self.fail(
            f'"{self.method}" gives {what}{shown(item, self.api)} to parameter {_quoted(parameter)} of task '
            f'"{self.task}", which takes {shown(parameter.type, self.api)}{self._hint(item, parameter, shape)}',
        )
        return False

    def check_predicate(self, shape: TaskSignature) -> None:
        """Report a predicate that does not return `bool`."""
        if not is_subtype(shape.result, self.api.named_generic_type("builtins.bool", [])):
            self.fail(
                f'"{self.method}" needs a task that returns "bool"; task "{self.task}" returns '
                f"{shown(shape.result, self.api)}",
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
    """Hook for `.then`, `.filter` and `.join`: the item fills the first free parameter, extras fill the others."""
    chain, result = _chain(context), get_proper_type(context.default_signature.ret_type)
    wanted = get_proper_type(context.default_signature.arg_types[0])
    if chain is None or not isinstance(result, Instance) or not isinstance(wanted, CallableType):
        return context.default_signature
    return _applied(chain, result, wanted.arg_types[0], gives)


def flat_signature(context: MethodSigContext) -> CallableType:
    """Hook for `.flat_map`: as `.then`, with the items of the task's result; plain types check that it is iterable."""
    chain = _chain(context)
    shape = None if chain is None else shape_of(context.api.get_expression_type(chain.given))
    held = None if shape is None else _iterated(shape.result)
    if held is None:
        return context.default_signature if shape is not None else chain_signature(context)
    return chain_signature(context, lambda _: held)


def attempt_signature(context: MethodSigContext) -> CallableType:
    """Hook for `.attempt`: as `.then` for items that are no `Failed`; all overloads get the same signature."""
    chain, result = _chain(context), get_proper_type(context.default_signature.ret_type)
    stream = arguments_of(context.type, _ITEMS)
    if chain is None or not isinstance(result, Instance) or stream is None:
        return context.default_signature
    item, lost = _without_failed(stream[0])
    failed = next(one for one in _members(result.args[0]) if _is_failed(one))
    assert isinstance(failed, Instance)

    def gives(value: Type) -> Type:
        return make_simplified_union([value, failed.copy_modified(args=[lost])])

    return _applied(chain, result, item, gives)


def _applied(
    chain: ChainCall, result: Instance, item: Type, gives: Callable[[Type], Type] | None = None
) -> CallableType:
    """Return the signature of a method that gives `item` to its task; `gives` maps its result to the new items."""
    context = chain.context
    given = get_proper_type(context.api.get_expression_type(chain.given))
    if (reason := chain.no_task(given)) is not None:
        return chain.refuse(reason, result)
    shape = shape_of(given)
    if shape is None:
        return context.default_signature
    if chain.method in ("filter", "take_while"):
        chain.check_predicate(shape)
    elif chain.method != "for_each":
        result = result.copy_modified(args=[shape.result if gives is None else gives(shape.result)])
    shape = without_fixed(shape, chain.call, chain.task, context.api)
    free = shape.free(chain.keywords)
    if not free:
        chain.fail(
            f'"{chain.method}" needs a parameter of task "{chain.task}" that nothing else fills; it has none',
            code=CALL_ARG,
        )
        return signature(context.default_signature, [_task_of(shape), *_extras(chain, shape, [])], result, chain.title)
    chain.check_item(item, free[0], shape)
    parameters = [_task_of(shape), *_extras(chain, shape, free[:1])]
    return signature(context.default_signature, parameters, result, chain.title)


def _without_failed(streamed: Type) -> tuple[Type, Type]:
    """Return the types of a stream's items that are no `Failed`, and of all items before they failed."""
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
    """Hook for `.reduce` and `.scan`: the accumulator fills the first free parameter, the item the second."""
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
        chain.fail(
            f'"{chain.method}" needs two free parameters of task "{chain.task}", the accumulator and the item; '
            f"it has {has}",
            code=CALL_ARG,
        )
        types = _reduce_types(plain, _UNKNOWN, _UNKNOWN, context.api)
        return plain.copy_modified(arg_types=types, ret_type=result.copy_modified(args=[shape.result]), variables=[])
    accumulator, item = free[:2]
    folds = _check_fold(chain, shape, accumulator, item, step.args[-1])
    # With the parameters in the wrong order, `initial` cannot be checked.
    types = _reduce_types(plain, shape.task, accumulator.type if folds else _UNKNOWN, context.api)
    gives = result.copy_modified(args=[accumulator.type])
    return plain.copy_modified(arg_types=types, ret_type=gives, variables=[], name=chain.title)


def _reduce_types(plain: CallableType, task: Type, accumulator: Type, api: CheckerPluginInterface) -> list[Type]:
    """Return the parameter types of a folding method for an accumulator; a future of one is allowed in its place."""
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

    Return whether the order is right.
    """
    api = chain.api
    swapped = (
        is_subtype(streamed, accumulator.type)
        and not is_subtype(streamed, item.type)
        and is_subtype(shape.result, item.type)
    )
    if swapped:
        chain.fail(
            f'"{chain.method}" gives the accumulator first and the item second: task "{chain.task}" takes '
            f"{shown(accumulator.type, api)} for {_quoted(accumulator)} and {shown(item.type, api)} for "
            f"{_quoted(item)}; swap them",
        )
    elif chain.check_item(streamed, item, shape, what="items of ") and not is_subtype(shape.result, accumulator.type):
        chain.fail(
            f'"{chain.method}" gives what task "{chain.task}" returns back to its accumulator: it returns '
            f"{shown(shape.result, api)}, and {_quoted(accumulator)} takes {shown(accumulator.type, api)}",
        )
    left = [p for p in shape.parameters if p.required and p not in (accumulator, item)]
    if left:
        chain.fail(
            f'"{chain.method}" leaves {", ".join(map(_quoted, left))} of task "{chain.task}" without a value; '
            'fix it with ".partial"',
            code=CALL_ARG,
        )
    return not swapped


def _chain(context: MethodSigContext) -> ChainCall | None:
    """Return the call if the plugin can read it: a method call whose first argument is a plain positional one."""
    call = call_of(context.context)
    if call is None or not call.args or call.arg_kinds[0] is not ARG_POS or context.default_signature.name is None:
        return None
    keywords = keywords_of(call)
    method = context.default_signature.name.partition(" ")[0]
    return None if keywords is None else ChainCall(context, call, method, call.args[0], keywords)


def _task_of(shape: TaskSignature) -> Parameter:
    return Parameter(None, ARG_POS, shape.task)


def _extras(chain: ChainCall, shape: TaskSignature, filled: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters after the task: values by position first, then those that the call gives by name."""
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


def _iterated(type_: Type) -> Type | None:
    """Return the type of the items of an iterable; None where it is unknown."""
    proper, arguments = get_proper_type(type_), arguments_of(type_, _ITERABLE)
    if isinstance(proper, AnyType):
        return proper
    return None if arguments is None else arguments[0]


def _by_name(parameter: Parameter, chain: ChainCall) -> bool:
    return parameter.kind in (ARG_NAMED, ARG_NAMED_OPT) or parameter.name in chain.keywords


def _quoted(parameter: Parameter) -> str:
    return f'"{parameter.name}"' if parameter.name is not None else "that is positional only"
