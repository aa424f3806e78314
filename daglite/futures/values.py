"""Futures of one value, and the methods of all futures."""

from __future__ import annotations

import os
from abc import ABC
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Concatenate, NoReturn, Self, cast

from typing_extensions import ParamSpec, TypeVar, Unpack

from daglite.binding import Pipeline, known_parameters
from daglite.compile import compile
from daglite.datasets.store import store_of
from daglite.exceptions import TaskError
from daglite.futures.applying import call_of, call_with_value, requires_task
from daglite.ir.nodes import SaveNode
from daglite.keys import parse_key
from daglite.options import Save, Store
from daglite.run_options import RunOptions

_OF_PLANS = {"explain", "fingerprint", "replay", "stream"}
_OF_TASKS = {"fn", "iter", "iter_partitions", "map", "partial", "with_options"}

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")
R_co = TypeVar("R_co", covariant=True)


class Future(Pipeline[R_co], ABC):
    """A value that will be computed by a run; `R` is the type of the result of `.run()`."""

    # Whether it is a stream, so that a save of it keeps one value for each item.
    _streams: ClassVar[bool] = False

    def run(self, **options: Unpack[RunOptions]) -> R_co:
        """Compile and run; options and errors are those of `Plan.run` and of `compile`."""
        return compile(self).run(**options)

    async def run_async(self, **options: Unpack[RunOptions]) -> R_co:
        """Compile and run on a helper thread, and await the result; cancelling it ends the run."""
        return await compile(self).run_async(**options)

    def save(self, key: str, *, save_store: Store | str | os.PathLike[str] | None = None) -> Self:
        """Return the same pipeline, which also saves its value, or its items, under `key` when it runs.

        `save_store` is a store or a folder; without it, the store of the run is used. On streams the key holds
        `{iteration_index}`, the index of the item from 0; it may also name any parameter of the call. Raises
        `ParameterError` for a malformed template, for an unknown name, and for a `save_store` that is not a store.

        >>> import tempfile
        >>> from daglite import DatasetStore, from_iterable
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = from_iterable("ab").save("letter_{iteration_index}", save_store=folder).run(runtime="inline")
        ...     DatasetStore(folder).list_keys()
        ['letter_0', 'letter_1']
        """
        call, items = call_of(self.node)
        template = parse_key(key, known=known_parameters(call, items), indexed=self._streams, task=call.function.name)
        return type(self)(SaveNode(self.node, Save(template, store_of(save_store, "save_store"))))

    def __repr__(self) -> str:
        call, _ = call_of(self.node)
        return f"{type(self).__name__}({call.function.name})"

    def _repr_html_(self) -> str:
        """Show one line in a notebook; nothing runs."""
        shown = repr(self).replace("&", "&amp;").replace("<", "&lt;")
        return f"<code>{shown}</code> has not run: <code>.run()</code> it, or <code>daglite.compile(...)</code> it"

    if not TYPE_CHECKING:

        def _no_value(self, *_: object) -> NoReturn:
            name = call_of(self.node)[0].function.name
            # A task that calls a task wants its function.
            plain = f"; in another task call the plain function: {name}.fn(...)" if isinstance(self, TaskFuture) else ""
            raise TypeError(
                f"{self!r} has no value yet: run it (`.run()`) or compile it (`daglite.compile(...)`)"
                f"{plain if name.isidentifier() else ''}"
            )

        __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __await__ = _no_value
        __int__ = __float__ = __lt__ = __le__ = __gt__ = __ge__ = _no_value
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _no_value
        __hash__ = object.__hash__
        __eq__ = object.__eq__

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(_misplaced(self, name), name=name, obj=self)


def _misplaced(future: Future[object], name: str) -> str:
    """Return the message for an attribute that a future does not have."""
    if name.startswith("_") or name == "node":
        # The object may have no attributes yet: `copy` asks before it sets any.
        return f"{type(future).__name__!r} object has no attribute {name!r}"
    if name in _OF_PLANS:
        return f"`{name}` belongs to plans: compile {future!r} first, daglite.compile(...).{name}"
    if name in _OF_TASKS:
        return f"`{name}` belongs to tasks; {future!r} is what one gives: to go on with it write `.then(task)`"
    if _has(Future, name):
        return (
            f"`{name}` belongs to streams; {future!r} is one value: a stream is what `.iter(...)` of a generator task "
            "gives, and `.map(...)` of any task"
        )
    return f"{future!r} has no attribute {name!r}, nor a value yet: give it to a task with `.then`, or run it"


def _has(kind: type, name: str) -> bool:
    """Return whether some kind of future has this attribute."""
    kinds: list[type] = kind.__subclasses__()
    return name in vars(kind) or any(_has(one, name) for one in kinds)


class TaskFuture(Future[R_co]):
    """The value of one call."""

    def then(
        self, task: Callable[Concatenate[R_co, P], TaskFuture[U]], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskFuture[U]:
        """Call `task` with the value, which fills the first parameter that is free; raises as `.then` of a stream."""
        return TaskFuture(call_with_value(self.node, task, args, kwargs))

    if not TYPE_CHECKING:
        then = requires_task(then)


class ReduceFuture(Future[R_co]):
    """The value of a fold over a stream."""

    def then(
        self, task: Callable[Concatenate[R_co, P], TaskFuture[U]], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskFuture[U]:
        """Call `task` with the value, which fills the first parameter that is free; raises as `.then` of a stream."""
        return TaskFuture(call_with_value(self.node, task, args, kwargs))

    if not TYPE_CHECKING:
        then = requires_task(then)


def ref(future: Future[T], /) -> T:
    """Return the future itself, typed as its value, for checkers without the plugin: `gen.iter(n=ref(count()))`."""
    if not isinstance(future, Pipeline):
        raise TaskError(f"`ref` needs a future; got {future!r}; give a value as it is")
    return cast("T", future)
