"""Every use of every kind of task, right and wrong ones, as one program for mypy; most of it is nonsense."""

from __future__ import annotations

from itertools import product

# Names with a task in them, or something that is nearly one.
TASKS = """\
from __future__ import annotations

import dataclasses
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterable, Iterator
from typing import (
    Annotated, Any, Concatenate, Generic, Literal, NamedTuple, NewType, Never, ParamSpec, Protocol, Self, TypedDict,
    TypeVar, TypeVarTuple, Unpack, overload,
)

from unknown_library import unknown_function, UnknownClass, unknown_decorator

from daglite import (
    Future, IterFuture, MapTaskFuture, PartialStreamTask, PartialTask, Plan, ReduceFuture, StreamTask, Task, TaskFuture,
    task,
)

P = ParamSpec("P")
X = TypeVar("X")
Y = TypeVar("Y", bound=float)
Z = TypeVar("Z", int, str)
F = TypeVar("F", bound=Task[..., Any])
Ts = TypeVarTuple("Ts")
Id = NewType("Id", int)
Tree = dict[str, "Tree"] | int

def untyped(x, y=1): return x
async def async_untyped(x): return x
def generator_untyped(n):
    yield n
def undefined(x: Missing) -> AlsoMissing: ...
def nothing() -> None: ...
def never() -> Never: raise Exception
def any_result(x: int) -> Any: ...
def everything(a: int, /, b: int, *c: int, d: int, e: int = 0, **f: int) -> int: return a
def only_stars(*a: Any, **k: Any) -> int: return 1
def unpacked(*a: Unpack[tuple[int, str]]) -> int: return 1
def variadic(x: int, *a: Unpack[Ts]) -> tuple[Unpack[Ts]]: return a
def named_map_mode(map_mode: str, task: int, initial: int, self: int) -> int: return 1
def bare(x: X) -> X: return x
def bound(x: Y) -> Y: return x
def chosen(x: Z) -> Z: return x
def listed(x: list[X]) -> dict[str, X]: return {}
def annotated(x: Annotated[int, "meta"]) -> Annotated[str, 1]: return ""
def literal(x: Literal[1, "a"]) -> Literal[2]: return 2
def recursive(x: Tree) -> Tree: return x
def higher(x: Callable[P, X]) -> Callable[P, list[X]]: ...
def takes_task(x: Task[[int], int]) -> Future[int]: ...
def gives_coroutine(x: int) -> Coroutine[Any, Any, int]: ...
def gives_awaitable(x: int) -> Awaitable[int]: ...
def stream(n: int) -> Iterator[int]: yield n
def sent(n: int) -> Generator[int, str, bytes]:
    yield n
    return b""
def iterable(n: int) -> Iterable[X]: yield from ()
def own_iterator(n: int) -> Rows: ...
async def async_stream(n: int) -> AsyncIterator[X]:
    if False: yield n
@overload
def either(x: int) -> int: ...
@overload
def either(x: str, y: int) -> Iterator[str]: ...
def either(x, y=0): ...
@unknown_decorator
def decorated(x: int) -> int: return x

class Rows(Iterator[int]):
    def __next__(self) -> int: return 1
class Options(TypedDict, total=False):
    a: int
def opted(x: int, **options: Unpack[Options]) -> int: return x
class Pair(NamedTuple):
    x: int
    y: str = ""
@dataclasses.dataclass
class Data(Generic[X]):
    x: X
    def me(self) -> Self: return self
    def kept(self, x: X) -> X: return x
    @task
    def inside(self, x: X) -> X: return x
    @property
    def step(self) -> Task[[X], X]: return self.inside.partial(self=self)
    @classmethod
    def made(cls, x: X) -> Self: return cls(x)
class Called:
    def __call__(self, x: int) -> int: return x
class Proto(Protocol):
    def __call__(self, acc: int, item: int, /) -> TaskFuture[int]: ...
class MyTask(Task[[int], int]): ...

data: Data[int] = Data(1)
maybe: Task[[int], int] | None = None
one_of: Task[[int], int] | StreamTask[[str], bytes] = task(stream)
open_ended: Task[..., int] = task(only_stars)
bare_task: Task = task(nothing)
no_parameters: Task[[], int] = task(lambda: 1)
concatenated: Task[Concatenate[int, str, ...], int] = task(untyped)
proto: Proto = task(everything)
mine: MyTask = MyTask(task(bare).function)
anything: Any = 1
table: dict[str, Task[[int], int]] = {}
"""
MADE = """
    untyped async_untyped generator_untyped undefined nothing never any_result everything only_stars unpacked variadic
    named_map_mode bare bound chosen listed annotated literal recursive higher takes_task gives_coroutine
    gives_awaitable stream sent iterable own_iterator async_stream either decorated opted Pair Data Data.me data.me
    data.kept Data.made Called Called() Id int str dict sum max print len unknown_function UnknownClass anything
    functools.partial(everything,1) functools.partial(stream) lambda:1 (lambda*a,**k:a) None (3) task
"""
GIVEN = """
    maybe one_of open_ended bare_task no_parameters concatenated proto mine anything table["a"] table data.inside
    Data.inside data.step untyped either Pair nothing task missing_name None (3) Task StreamTask
"""
TASK_USES = [
    "{t}()",
    "{t}(1)",
    "{t}(x=1)",
    "{t}(*[1], **{{'x': 1}})",
    "{t}(anything, missing_name)",
    "{t}({t}(x=1))",
    "{t}.partial()",
    "{t}.partial(x=1)(1)",
    "{t}.partial(x={t}(), y=1, fcator=2).partial(x=2)",
    "{t}.partial(**{{'x': 1}})()",
    "{t}.partial(1)",
    "{t}.map()",
    "{t}.map(x=[1])",
    "{t}.map(x=[1], y=stream_of, map_mode='product')",
    "{t}.map(x=stream_of, n=stream_of, a=3)",
    "{t}.map(**{{'x': [1]}}, map_mode='zip')",
    "{t}.map([1])",
    "{t}.iter()",
    "{t}.iter(1)",
    "{t}.iter(n={t}())",
    "{t}.iter(n=1).then({t})",
    "{t}.with_options(retries=1)(1)",
    "{t}(1).then({t}).then({t}, x=1)",
    "{t}.__call__(1)",
    "{t}.fn(1)",
    "[one(1) for one in [{t}]]",
    "({t} if anything else task(either))(1)",
]
CHAINS = [
    "{s}.then({t})",
    "{s}.then({t}, 1)",
    "{s}.then({t}, x=1, y=2, fcator=3)",
    "{s}.then({t}, *[1], **{{'y': 1}})",
    "{s}.then(*[{t}])",
    "{s}.then(task={t})",
    "{s}.then()",
    "{s}.then({t}(1))",
    "{s}.then({t}.partial(x=1), y={s})",
    "{s}.then(({t}))",
    "{s}.attempt({t})",
    "{s}.attempt({t}, 1, x=2)",
    "{s}.attempt({t}).attempt({t}, y={s})",
    "{s}.attempt()",
    "{s}.flat_map({t})",
    "{s}.flat_map({t}, 1, y={s})",
    "{s}.flat_map()",
    "{s}.join({t})",
    "{s}.join({t}, {s})",
    "{s}.reduce({t})",
    "{s}.reduce({t}, initial=None)",
    "{s}.reduce({t}, initial={{}}, ordered=False, orderd=1)",
    "{s}.reduce({t}, 0)",
    "{s}.reduce({t}, **{{'initial': 0}})",
    "{s}.reduce({t}.partial(x=1), initial={s})",
    "{s}.reduce(initial=0, task={t})",
]
STREAMS = ["stream_of", "value_of", "either_of"]


def program() -> str:
    """The text of the program."""
    tasks = [f"task({one})" for one in MADE.split()] + GIVEN.split()
    uses = [use.format(t=one) for use, one in product(TASK_USES, tasks)]
    uses += [use.format(s=source, t=one) for use, source, one in product(CHAINS, STREAMS, tasks)]
    made = "def uses(stream_of: IterFuture[int], value_of: TaskFuture[int], either_of: IterFuture[X] | MapTaskFuture[X]"
    generic = [
        "def helper(step: F, other: Task[P, X], *args: P.args, **kwargs: P.kwargs) -> None:",
        "    stream_of: IterFuture[X] = anything",
        *(f"    {use.format(t=one)}" for use in TASK_USES for one in ("step", "other")),
        *(f"    {use.format(s='stream_of', t=one)}" for use in CHAINS for one in ("step", "other")),
        "    other(*args, **kwargs)",
        "    other.partial(*args, **kwargs)",
        "    stream_of.then(other, *args, **kwargs)",
    ]
    return "\n".join([TASKS, f"{made}) -> None:", *(f"    {use}" for use in uses), *generic, ""])
