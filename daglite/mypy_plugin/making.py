"""Hooks for `task`, where overloads cannot decide: generators, and results that are a bare type variable."""

from __future__ import annotations

from mypy.errorcodes import ARG_TYPE
from mypy.nodes import Decorator, FuncDef
from mypy.plugin import FunctionContext, MethodContext
from mypy.types import AnyType, CallableType, Parameters, Type, TypeVarType, UnionType, get_proper_type

from daglite.mypy_plugin.shapes import BASE, arguments_of, name_of

_ITERABLES = ("typing.Iterable", "typing.AsyncIterable")
_STREAMS = ("typing.Iterator", "typing.AsyncIterator")


def task_result(context: FunctionContext) -> Type:
    """Hook for `task(fn)`: a stream task for a generator that is annotated `Iterable[T]`, a plain one for `-> X`."""
    return _made(context, context.default_return_type)


def decorated_result(context: MethodContext) -> Type:
    """Hook for `task(name=...)(fn)`: the same for the decorator with options."""
    return _made(context, context.default_return_type)


def _made(context: FunctionContext | MethodContext, plain: Type) -> Type:
    given, api = context.arg_types, context.api
    function = get_proper_type(given[0][0]) if given and given[0] else None
    if function is not None and arguments_of(function, BASE) is not None:
        name = name_of(context.args[0][0])
        text = f'"{name}" is a task already; use ".with_options(...)" to change its options'
        api.fail(text, context.args[0][0], code=ARG_TYPE)
        return function
    if not isinstance(function, CallableType):
        return plain
    result, generates = get_proper_type(function.ret_type), _generates(function)
    parameters: Type = function.param_spec() or Parameters(
        function.arg_types,
        function.arg_kinds,
        function.arg_names,
        variables=function.variables,
        is_ellipsis_args=function.is_ellipsis_args,
    )
    if generates and (item := _item_of(result)) is not None:
        return api.named_generic_type("daglite.StreamTask", [parameters, item])
    if not generates and (isinstance(result, AnyType) or _is_variable(result)):
        return api.named_generic_type("daglite.Task", [parameters, result])
    return plain


def _is_variable(result: Type) -> bool:
    """Return whether mypy would take the result for a coroutine: a type variable, alone or in a union; not `Self`."""
    proper = get_proper_type(result)
    variables = [get_proper_type(one) for one in proper.items] if isinstance(proper, UnionType) else [proper]
    return any(isinstance(one, TypeVarType) and not one.id.is_self() for one in variables)


def _generates(function: CallableType) -> bool:
    """Return whether the function contains a `yield`."""
    definition = function.definition
    inner = definition.func if isinstance(definition, Decorator) else definition
    return isinstance(inner, FuncDef) and (inner.is_generator or inner.is_async_generator)


def _item_of(result: Type) -> Type | None:
    """Return the item type of a generator's annotation where the overloads do not see it."""
    result = get_proper_type(result)
    if isinstance(result, AnyType):
        return result
    if arguments_of(result, *_STREAMS) is not None:
        return None
    arguments = arguments_of(result, *_ITERABLES)
    return None if arguments is None else arguments[0]
