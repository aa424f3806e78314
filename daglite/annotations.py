"""Read the annotations of functions and classes, also where a name in them has no value (yet).

Since Python 3.14 annotations are evaluated when they are first read, not when they are written (PEP 649). Until then
a name may be defined below, or for type checkers only: to read them as `__annotations__` may raise `NameError`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable

if sys.version_info >= (3, 14):
    from annotationlib import Format, ForwardRef, get_annotations

    # How Python keeps what it has not evaluated yet: code and its namespace. `annotations_of` is sent instead.
    DEFERRED = frozenset(
        {
            "__annotate__",
            "__annotate_func__",
            "__annotations_cache__",
            "__classdictcell__",
            "__conditional_annotations__",
        }
    )

    def annotations_of(thing: object) -> dict[str, object]:
        """Return the annotations of a function or class by name: evaluated, or as text where a name has no value."""
        values = _read(thing, Format.VALUE)
        if values is not None:
            return values
        texts = _read(thing, Format.STRING) or {}
        values = _read(thing, Format.FORWARDREF) or {}
        return {name: values[name] if _is_resolved(values.get(name, _UNKNOWN)) else texts[name] for name in texts}

    def read_signature(function: Callable[..., object]) -> inspect.Signature:
        """Return the signature of a function, as `inspect.signature`; it raises the same errors, but no `NameError`."""
        return inspect.signature(function, annotation_format=Format.FORWARDREF)

    _UNKNOWN = ForwardRef("unknown")

    def _read(thing: object, format: Format) -> dict[str, object] | None:
        try:
            return get_annotations(thing, format=format)
        except Exception:  # of any kind: annotations may call what they like
            return None

    def _is_resolved(annotation: object) -> bool:
        if isinstance(annotation, (list, tuple)):
            return all(map(_is_resolved, annotation))
        return not isinstance(annotation, ForwardRef) and _is_resolved(getattr(annotation, "__args__", ()))

else:
    DEFERRED = frozenset[str]()
    read_signature = inspect.signature

    def annotations_of(thing: object) -> dict[str, object]:
        """Return the annotations of a function or class by name."""
        own = vars(thing) if isinstance(thing, type) else {"__annotations__": getattr(thing, "__annotations__", None)}
        found = own.get("__annotations__")
        return found if isinstance(found, dict) else {}
