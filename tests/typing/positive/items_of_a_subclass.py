"""Items of a subclass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_type

from daglite import Future, MapTaskFuture, TaskFuture, task


class Animal: ...


class Dog(Animal): ...


@task
def dogs(n: int) -> Iterator[Dog]:
    yield Dog()


@task
def fed(animal: Animal) -> str:
    return "fed"


assert_type(dogs.iter(n=1).then(fed), MapTaskFuture[str])
assert_type(fed.map(animal=[Dog()]), MapTaskFuture[str])
assert_type(fed(animal=task(Dog)()), TaskFuture[str])
wide: Future[Animal] = task(Dog)()

# mypy     Argument "animal" to "__call__" of "BaseTask" has incompatible type "TaskFuture[Dog]"; expected "Animal"  [arg-type]
# plugin   ok
# pyright  Argument of type "TaskFuture[Dog]" cannot be assigned to parameter "animal" of type "Animal" in function "__call__"  [reportArgumentType]
# pyrefly  Argument `TaskFuture[Dog]` is not assignable to parameter `animal` with type `Animal` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `Animal`, found `TaskFuture[Dog]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
