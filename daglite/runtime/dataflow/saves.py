"""Saves of a run: keys, stores, and the check that no key is written twice."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from daglite.exceptions import DatasetError
from daglite.functions import signature_of
from daglite.keys import KeyTemplate, may_write_same_key, render_key
from daglite.options import Save, Store
from daglite.runtime.kernel.bound_step import BoundStep


class Saver:
    """Saves the values of one step; called with the index of the item, or None for a single value."""

    def __init__(self, targets: tuple[tuple[KeyTemplate, Store], ...], values: Mapping[str, object]) -> None:
        self._targets = targets
        self._values = values
        self._used = False

    def __call__(self, index: int | None, value: object) -> None:
        for template, store in self._targets:
            key = render_key(template, self._values, index)
            # Not by comparing indices: a filter may have dropped the items before.
            if self._used and index is not None and not template.uses_index:
                raise DatasetError(
                    f"the key {key!r} would be written again by item {index}; "
                    f"put {{iteration_index}} into {template.text!r}"
                )
            try:
                store.save(key, value)
            except BaseException as error:
                error.add_note(f"daglite: while saving the key {key!r}")
                raise
        self._used = True


class SaveBook:
    """All saves of a run, with the values of their keys: no two may write the same key into one store."""

    def __init__(self, default: Store | None) -> None:
        """`default` is None if every save names its store. Nothing is saved unless `enabled`."""
        self.enabled = True
        self._default = default
        self._seen: list[tuple[Save, Mapping[str, object]]] = []

    def open(self, saves: tuple[Save, ...], step: BoundStep) -> Saver | None:
        """Return the saver of a step, or None if it saves nothing.

        Raises `DatasetError` if another save of this run would write the same key. Compile refuses such saves as far
        as it can; a key may also contain a value that exists only now.
        """
        if not saves or not self.enabled:
            return None
        values = _key_values(step)
        for save in saves:
            for other, other_values in self._seen:
                same_store = self._store(save) == self._store(other)
                if same_store and may_write_same_key(save.key, values, other.key, other_values):
                    raise DatasetError(
                        f"two saves would write the same key: {save.key.text!r} and {other.key.text!r}; "
                        "give one another key"
                    )
            self._seen.append((save, values))
        return Saver(tuple((save.key, self._store(save)) for save in saves), values)

    def _store(self, save: Save) -> Store:
        # Compared with None: a store with a length is false while it is empty.
        store = self._default if save.store is None else save.store
        assert store is not None, "the plan knows whether its saves need a store"
        return store


def _key_values(step: BoundStep) -> dict[str, object]:
    """Return the values that a key template may use: the arguments, and the defaults of other parameters."""
    parameters = signature_of(step.function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    return {name: value for name, value in (defaults | dict(step.arguments)).items() if name not in step.items}
