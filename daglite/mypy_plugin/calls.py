"""Hooks for methods of tasks: `__call__` and `iter` (futures as arguments), `partial` and `map` (names and types)."""

from __future__ import annotations

from mypy.errorcodes import ARG_TYPE, CALL_ARG
from mypy.nodes import ARG_NAMED_OPT, ARG_STAR2
from mypy.plugin import MethodContext, MethodSigContext
from mypy.types import CallableType, Instance, Parameters, Type, get_proper_type

from daglite.mypy_plugin.shapes import (
    Parameter,
    call_of,
    in_callee,
    name_of,
    named,
    or_future,
    shape_of,
    signature,
    without_fixed,
)

_STREAM = "daglite.futures.items.IterFuture"
_MODE = "map_mode"


def call_signature(context: MethodSigContext) -> CallableType:
    """Hook for `t(...)` and `t.iter(...)`: each `X` becomes `X | Future[X]`."""
    plain, shape, call = context.default_signature, shape_of(context.type), call_of(context.context)
    if shape is None:
        return plain
    task = in_callee(call)
    name = f"{name_of(task)}.iter" if plain.name and plain.name.startswith("iter") else name_of(call and call.callee)
    shape = without_fixed(shape, call, name.removesuffix(".iter"), context.api)
    parameters = [Parameter(p.name, p.kind, or_future(p.type, context.api)) for p in shape.parameters]
    return signature(plain, parameters, plain.ret_type, name)


def partial_signature(context: MethodSigContext) -> CallableType:
    """Hook for `t.partial(...)`: the task's own names and types, each of them optional."""
    plain, shape = context.default_signature, shape_of(context.type)
    call = call_of(context.context)
    if shape is None or not shape.nameable or call is None or ARG_STAR2 in call.arg_kinds:
        return plain
    name = name_of(in_callee(call))
    shape = without_fixed(shape, call, name, context.api)
    parameters = [
        named(p, or_future(p.type, context.api), optional=True)
        for p in shape.parameters
        if p.single or p.kind is ARG_STAR2
    ]
    return signature(plain, parameters, plain.ret_type, f"{name}.partial")


def partial_result(context: MethodContext) -> Type:
    """Hook for `t.partial(...)`: the exact remaining signature; a `**mapping` leaves it open."""
    shape, call = shape_of(context.type), call_of(context.context)
    result = get_proper_type(context.default_return_type)
    if shape is None or call is None or not isinstance(result, Instance) or ARG_STAR2 in call.arg_kinds:
        return result
    if not shape.nameable:
        return result
    rest = [p for p in shape.parameters if p.name is None or p.name not in call.arg_names]
    left = Parameters([p.type for p in rest], [p.kind for p in rest], [p.name for p in rest])
    return result.copy_modified(args=[left, *result.args[1:]])


def map_signature(context: MethodSigContext) -> CallableType:
    """Hook for `t.map(...)`: an `Iterable[X]`, or a future of one, for each of the task's own names."""
    plain, shape = context.default_signature, shape_of(context.type)
    call = call_of(context.context)
    if shape is None or not shape.nameable or call is None or any(p.name == _MODE for p in shape.parameters):
        return plain
    name = name_of(in_callee(call))
    shape = without_fixed(shape, call, name, context.api)
    mode = plain.arg_types[plain.arg_names.index(_MODE)]
    parameters = [
        named(p, or_future(context.api.named_generic_type("typing.Iterable", [p.type]), context.api))
        for p in shape.parameters
        if p.single or p.kind is ARG_STAR2
    ]
    # The content of a `**mapping` is for the task; the parameter `**kwargs` must be last.
    if _MODE in call.arg_names or ARG_STAR2 not in call.arg_kinds:
        parameters.insert(sum(p.single for p in parameters), Parameter(_MODE, ARG_NAMED_OPT, mode))
    return signature(plain, parameters, plain.ret_type, f"{name}.map")


def map_result(context: MethodContext) -> Type:
    """Hook for `t.map(...)`: report a map over nothing, or over an `.iter()` stream and another argument."""
    result, call = context.default_return_type, call_of(context.context)
    if call is None or ARG_STAR2 in call.arg_kinds:
        return result
    pairs = [
        (name, get_proper_type(type_))
        for names, types in zip(context.arg_names, context.arg_types, strict=True)
        for name, type_ in zip(names, types, strict=True)
        if name is not None and name != _MODE
    ]
    shape = shape_of(context.type)
    if not pairs and shape is not None and not any(p.required for p in shape.parameters):
        text = f'"map" of task "{name_of(in_callee(call))}" needs at least one mapped parameter'
        context.api.fail(text, call, code=CALL_ARG)
    streams = [name for name, type_ in pairs if isinstance(type_, Instance) and type_.type.fullname == _STREAM]
    if streams and len(pairs) > 1:
        given = ", ".join(f'"{name}"' for name, _ in pairs)
        context.api.fail(
            f'"map" of task "{name_of(in_callee(call))}": "{streams[0]}" is an ".iter()" stream and must be the only '
            f'mapped parameter; got {given}; use ".then(task, extra=...)" or map over a list',
            call,
            code=ARG_TYPE,
        )
    return result
