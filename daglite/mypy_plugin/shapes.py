"""The parameters of a task, read from its type; the names of tasks and types in messages."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from mypy.errorcodes import CALL_ARG
from mypy.maptype import map_instance_to_supertype
from mypy.messages import format_type
from mypy.nodes import (
    ARG_NAMED,
    ARG_NAMED_OPT,
    ARG_POS,
    ARG_STAR,
    ARG_STAR2,
    ArgKind,
    CallExpr,
    Context,
    Expression,
    LambdaExpr,
    MemberExpr,
    NameExpr,
)
from mypy.plugin import CheckerPluginInterface
from mypy.typeops import make_simplified_union
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    Parameters,
    ParamSpecType,
    Type,
    TypeOfAny,
    UnpackType,
    get_proper_type,
)

BASE = "daglite.tasks.BaseTask"
_PARTIALS = ("PartialTask", "PartialStreamTask")
_OPTIONS = ("map_mode",)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a task; `name` is None where it is positional only."""

    name: str | None
    kind: ArgKind
    type: Type

    @property
    def single(self) -> bool:
        """Whether it takes one value, as opposed to `*args` and `**kwargs`."""
        return self.kind not in (ARG_STAR, ARG_STAR2)

    @property
    def required(self) -> bool:
        """Whether a call without it is an error."""
        return self.kind in (ARG_POS, ARG_NAMED)


@dataclass(frozen=True)
class TaskSignature:
    """The parameters and the result of a task."""

    task: Instance
    parameters: tuple[Parameter, ...]
    result: Type

    @property
    def nameable(self) -> bool:
        """Whether the type allows every single parameter by name."""
        return all(parameter.name is not None for parameter in self.parameters if parameter.kind is not ARG_STAR)

    def free(self, taken: Collection[str]) -> list[Parameter]:
        """Return the parameters that an item may fill, in order."""
        return [p for p in self.parameters if p.single and p.name not in taken]


def arguments_of(type_: Type, *bases: str) -> Sequence[Type] | None:
    """Return the type arguments of an instance as one of the first of `bases` that it has; None if it has none."""
    proper = get_proper_type(type_)
    if not isinstance(proper, Instance):
        return None
    base = next((info for info in proper.type.mro if info.fullname in bases), None)
    return None if base is None else map_instance_to_supertype(proper, base).args


def shape_of(type_: Type) -> TaskSignature | None:
    """Return the signature of a task; None for anything else, and for tasks whose parameters are open or generic."""
    task, arguments = get_proper_type(type_), arguments_of(type_, BASE)
    if arguments is None or not isinstance(task, Instance):
        return None
    parameters, result = map(get_proper_type, arguments)
    if not isinstance(parameters, Parameters) or parameters.is_ellipsis_args or parameters.variables:
        return None
    kinds, types = parameters.arg_kinds, [get_proper_type(one) for one in parameters.arg_types]
    if any(isinstance(one, ParamSpecType | UnpackType) for one in types):
        return None
    if kinds == [ARG_STAR, ARG_STAR2] and all(isinstance(one, AnyType) for one in types):
        return None
    listed = zip(parameters.arg_names, kinds, parameters.arg_types, strict=True)
    return TaskSignature(task, tuple(Parameter(name, kind, one) for name, kind, one in listed), result)


def without_fixed(shape: TaskSignature, call: CallExpr | None, name: str, api: CheckerPluginInterface) -> TaskSignature:
    """Report names that a partial task no longer takes, and add them, so that mypy does not report them again."""
    known = [p.name for p in shape.parameters if p.single and p.name is not None]
    if call is None or shape.task.type.name not in _PARTIALS or any(p.kind is ARG_STAR2 for p in shape.parameters):
        return shape
    gone = [given for given in call.arg_names if given is not None and given not in [*known, *_OPTIONS]]
    for given in gone:
        near = difflib.get_close_matches(given, known, n=1)
        guess = f'did you mean "{near[0]}"?' if near else 'what ".partial" has fixed cannot be given again'
        free = ", ".join(f'"{one}"' for one in known) or "nothing"
        api.fail(f'Task "{name}" takes no "{given}" here, it takes {free}; {guess}', call, code=CALL_ARG)
    unknown = AnyType(TypeOfAny.special_form)
    return replace(shape, parameters=(*shape.parameters, *(Parameter(one, ARG_NAMED_OPT, unknown) for one in gone)))


def or_future(type_: Type, api: CheckerPluginInterface) -> Type:
    """Return `X | Future[X]` for `X`, because a future as an argument is evaluated first."""
    return make_simplified_union([type_, api.named_generic_type("daglite.Future", [type_])])


def signature(plain: CallableType, parameters: Sequence[Parameter], result: Type, name: str) -> CallableType:
    """Return the signature of a method with other parameters; mypy's own messages then name the task."""
    return plain.copy_modified(
        arg_types=[parameter.type for parameter in parameters],
        arg_kinds=[parameter.kind for parameter in parameters],
        arg_names=[parameter.name for parameter in parameters],
        ret_type=result,
        variables=[],
        name=name,
    )


def named(parameter: Parameter, type_: Type, *, optional: bool = False) -> Parameter:
    """Return the parameter as a keyword-only one."""
    if not parameter.single:
        return Parameter(parameter.name, parameter.kind, type_)
    needed = parameter.required and not optional
    return Parameter(parameter.name, ARG_NAMED if needed else ARG_NAMED_OPT, type_)


def call_of(context: Context) -> CallExpr | None:
    """Return the call of a hook; None where it is no call, such as a decorator."""
    return context if isinstance(context, CallExpr) else None


def keywords_of(call: CallExpr) -> list[str] | None:
    """Return the names given in a call; None when a `**mapping` hides some."""
    if ARG_STAR2 in call.arg_kinds:
        return None
    return [name for name in call.arg_names if name is not None]


def in_callee(call: CallExpr | None) -> Expression | None:
    """Return the `task` of `task.method(...)`."""
    return call.callee.expr if call is not None and isinstance(call.callee, MemberExpr) else None


def name_of(expression: Expression | None) -> str:
    """Return the name of a task or function in the source."""
    match expression:
        case NameExpr() | MemberExpr():
            return expression.name
        case CallExpr(callee=MemberExpr() as callee) if callee.name in ("partial", "with_options"):
            return name_of(callee.expr)
        case CallExpr(callee=NameExpr(name="task") | MemberExpr(name="task"), args=[inner, *_]):
            return name_of(inner)
        case CallExpr(callee=NameExpr() as callee):
            return callee.name
        case LambdaExpr():
            return "lambda"
        case _:
            return "task"


def shown(type_: Type, api: CheckerPluginInterface) -> str:
    """Return a type as mypy writes it, in quotes."""
    return format_type(type_, api.options)
