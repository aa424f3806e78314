"""explain: a plan for people and programs to read. Everything here sees the program only; nothing runs.

table      the program as rows                       fold       a long table as one page
text       the page, and the default                 columns    cells aligned, and folded to 80 characters
verbose    every step, every rewrite and its law     source     the generated loops
data       as JSON, with a schema                    graph      as Mermaid and as Graphviz dot
picture    as a drawing: SVG in HTML                 page       the drawing and the tables as one file
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from daglite.fingerprint import fingerprint
from daglite.lazy import lazy
from daglite.options import check_choice
from daglite.program import Program

if TYPE_CHECKING:
    from daglite.explain import data, graph, page, picture, source, table, text, verbose
else:
    data, graph, page = lazy("daglite.explain.data"), lazy("daglite.explain.graph"), lazy("daglite.explain.page")
    picture, source = lazy("daglite.explain.picture"), lazy("daglite.explain.source")
    table, text, verbose = lazy("daglite.explain.table"), lazy("daglite.explain.text"), lazy("daglite.explain.verbose")

__all__ = ["ExplainFormat", "calls_of", "drawing", "explain"]

ExplainFormat = Literal["text", "verbose", "source", "json", "mermaid", "dot", "html"]
_WITH_SENTENCES = ("text", "verbose", "json", "html")


def explain(program: Program, form: ExplainFormat, coordinator: tuple[str, ...] = ()) -> str:
    """The program in one of the forms; raises `ParameterError` for a form that does not exist.

    `coordinator`: what is known of it with a number of workers, for forms that have sentences.
    """
    check_choice("format", form, get_args(ExplainFormat))
    if coordinator:
        check_choice("format` with `workers", form, _WITH_SENTENCES)
    match form:
        case "text":
            return text.text(table.table_of(program, fingerprint(program), coordinator))
        case "verbose":
            return verbose.verbose(table.table_of(program, fingerprint(program), coordinator))
        case "json":
            return data.json_text(table.table_of(program, fingerprint(program), coordinator))
        case "html":
            return page.page(table.table_of(program, fingerprint(program), coordinator))
        case "mermaid":
            return graph.mermaid(table.table_of(program, None))
        case "dot":
            return graph.dot(table.table_of(program, None))
        case "source":
            return source.source_text(program)


def calls_of(program: Program) -> list[str]:
    """For each step, in the order of `explain`, what stands in its column: the verb, the task and its arguments."""
    return [row.call for row in table.table_of(program, None).rows]


def drawing(program: Program) -> str:
    """The program as a piece of HTML for notebooks. No argument is looked into: there is no fingerprint in it."""
    return picture.picture(table.table_of(program, None))
