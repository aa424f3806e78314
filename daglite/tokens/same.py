"""When two functions or two arguments count as the same, in one process or after a journey through another."""

from __future__ import annotations

from daglite.functions import Function, OnError
from daglite.tokens.graph import token
from daglite.tokens.parts import UnstableValue


def same_function(a: Function, b: Function) -> bool:
    """Whether two records are one object, or have equal options and the same `fn`: one object or one stable token.

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
    """Everything of a record but the function itself."""
    options = (function.retries, function.timeout, function.retry_on_crash, function.retry)
    return (function.name, function.kind, options, function.result)


def _same_handler(a: OnError, b: OnError) -> bool:
    return same_function(a, b) if isinstance(a, Function) and isinstance(b, Function) else a == b


def same_value(a: object, b: object) -> bool:
    """Whether two arguments are one object, or of one type and `==` gives exactly `True`, or have one stable token.

    The token decides where `==` has no plain yes: arrays, objects that compare by identity, nan, an instance whose
    class made the journey with it. So a plan equals its unpickled copy whenever it has a fingerprint.

    >>> same_value([1, 2], [1, 2]), same_value(1, 1.0), same_value({1: "a"}, {1: "b"})
    (True, False, False)
    """
    return a is b or (type(a) is type(b) and _equal(a, b)) or _same_token(a, b)


def _equal(a: object, b: object) -> bool:
    try:
        answer: object = a == b
    except Exception:  # whatever a foreign `__eq__` raises, it did not say yes
        return False
    return answer is True


def _same_token(a: object, b: object) -> bool:
    try:
        return token(a) == token(b)
    except UnstableValue:
        return False
