"""The equality of functions and of arguments, also after they were sent to another process."""

from __future__ import annotations

from daglite.functions import Function, OnError
from daglite.tokens.graph import token
from daglite.tokens.parts import UnstableValue


def same_function(a: Function, b: Function) -> bool:
    """Return whether two functions have equal options and the same `fn`: one object, or equal stable tokens.

    >>> add = Function(lambda x: x + 1, "add", "plain", 0, "?")
    >>> same_function(add, Function(lambda x: x + 1, "add", "plain", 0, "?"))
    True
    >>> same_function(add, Function(lambda x: x + 2, "add", "plain", 0, "?"))
    False
    """
    if a is b:
        return True
    if _record(a) != _record(b) or not _same_handler(a.on_error, b.on_error):
        return False
    return a.fn is b.fn or _same_token(a.fn, b.fn)


def _record(function: Function) -> tuple[object, ...]:
    """Return the options of a function."""
    options = (function.retries, function.timeout, function.retry_on_crash, function.retry)
    return (function.name, function.kind, options, function.result)


def _same_handler(a: OnError, b: OnError) -> bool:
    return same_function(a, b) if isinstance(a, Function) and isinstance(b, Function) else a == b


def same_value(a: object, b: object) -> bool:
    """Return whether two arguments are one object, or of one type with `==` exactly `True`, or have equal tokens.

    The token decides where `==` is not `True`: for arrays, objects that compare by identity, nan, instances of a class
    that was pickled with them. So a plan equals its unpickled copy whenever it has a fingerprint.

    >>> same_value([1, 2], [1, 2]), same_value(1, 1.0), same_value({1: "a"}, {1: "b"})
    (True, False, False)
    """
    return a is b or (type(a) is type(b) and _equal(a, b)) or _same_token(a, b)


def _equal(a: object, b: object) -> bool:
    try:
        answer: object = a == b
    except Exception:  # of an `__eq__` of the user's
        return False
    return answer is True


def _same_token(a: object, b: object) -> bool:
    try:
        return token(a) == token(b)
    except UnstableValue:
        return False
