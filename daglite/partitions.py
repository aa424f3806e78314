"""Partitioned sources: one call of a generator for each partition, on workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from daglite.binding import Bindable, Pipeline, argument_of, bind_call
from daglite.exceptions import ParameterError
from daglite.ir.builders import operation_node
from daglite.ir.nodes import Argument, Binding, Call, MapTaskNode, OperationNode, Value
from daglite.records import record, replace


@record(eq=True)
class PartitionOf:
    """A function that takes its arguments as one mapping, beside those that are fixed."""

    fn: Callable[..., object]

    def __call__(self, partition: Mapping[str, object], /, **fixed: object) -> object:
        return self.fn(**fixed, **partition)


def partitioned(task: Bindable, given: object) -> OperationNode:
    """Return the items of all partitions as a stream; raise `ParameterError` for one that does not fit the task."""
    function = replace(task.function, fn=PartitionOf(task.function.fn), partitioned=True)
    call = Call(function, task.fixed, ())
    return operation_node("unbatch", MapTaskNode(call, (Binding("partition", _partitions(task, given)),), "zip"))


def _partitions(task: Bindable, given: object) -> Argument:
    name = task.function.name
    if isinstance(given, Pipeline):
        return argument_of(given)
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise ParameterError(
            f"`iter_partitions` of task '{name}' needs several mappings of arguments, one for each partition, "
            f"such as [{{'path': 'a'}}, {{'path': 'b'}}]; got {given!r}"
        )
    return Value(tuple(_checked(task, given)))


def _checked(task: Bindable, given: Iterable[object]) -> Iterator[dict[str, object]]:
    for number, partition in enumerate(given):
        where = f"partition {number} of `iter_partitions`"
        if not isinstance(partition, Mapping) or not all(isinstance(key, str) for key in partition):
            raise ParameterError(
                f"{where} must hold arguments of task '{task.function.name}' by name; got {partition!r}"
            )
        for key, value in partition.items():
            if isinstance(value, Pipeline):
                raise ParameterError(
                    f"{where}: '{key}' is a future, which would not be run there; "
                    "fix it for all partitions with `.partial`, or make the list of partitions in a task"
                )
        try:
            bind_call(task, (), partition)
        except ParameterError as error:
            raise ParameterError(f"{where}: {error}") from None
        yield dict(partition)
