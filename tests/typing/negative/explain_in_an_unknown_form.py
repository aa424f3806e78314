"""Explain in an unknown form."""

from __future__ import annotations

from daglite import compile
from tests.typing.shop import double

compile(double(x=1)).explain("xml")

# mypy     Argument 1 to "explain" of "Plan" has incompatible type "Literal['xml']"; expected "Literal['text', 'verbose', 'source', 'json', 'mermaid', 'dot', 'html']"  [arg-type]
# plugin   Argument 1 to "explain" of "Plan" has incompatible type "Literal['xml']"; expected "Literal['text', 'verbose', 'source', 'json', 'mermaid', 'dot', 'html']"  [arg-type]
# pyright  Argument of type "Literal['xml']" cannot be assigned to parameter "format" of type "ExplainFormat" in function "explain"  [reportArgumentType]
# pyrefly  Argument `Literal['xml']` is not assignable to parameter `format` with type `Literal['dot', 'html', 'json', 'mermaid', 'source', 'text', 'verbose']` in function `daglite.plan.Plan.explain`  [bad-argument-type]
# ty       Argument to bound method `Plan.explain` is incorrect: Expected `Literal["text", "verbose", "source", "json", "mermaid", "dot", "html"]`, found `Literal["xml"]`  [invalid-argument-type]
# python   ParameterError: `format` must be one of 'text', 'verbose', 'source', 'json', 'mermaid', 'dot', 'html'; got 'xml'
