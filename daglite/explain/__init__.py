"""explain: a plan as text, data, graph or page. Everything here reads the program only; nothing runs.

table      the program as rows                       fold       a long table shortened to one page
text       the page, and the default                 columns    cells aligned, and folded to 80 characters
verbose    every step, every rewrite with its law    source     the generated loops
data       as JSON, with a schema                    graph      as Mermaid and as Graphviz dot
picture    as a drawing: SVG in HTML                 page       drawing and tables as one HTML file
skeleton   what HTML pages of daglite have in common
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
_WITH_NOTES = ("text", "verbose", "json", "html")


def explain(program: Program, form: ExplainFormat, coordinator: tuple[str, ...] = ()) -> str:
    """Return the program in one of the formats; raise `ParameterError` for a format that does not exist.

    `coordinator`: sentences about its load, for the formats that have notes.
    """
    check_choice("format", form, get_args(ExplainFormat))
    if coordinator:
        check_choice("format` with `workers", form, _WITH_NOTES)
    if form == "source":
        return source.source_text(program)
    if form == "mermaid":
        return graph.mermaid(table.table_of(program, None))
    if form == "dot":
        return graph.dot(table.table_of(program, None))
    whole = table.table_of(program, fingerprint(program), coordinator)
    match form:
        case "text":
            return text.text(whole)
        case "verbose":
            return verbose.verbose(whole)
        case "json":
            return data.json_text(whole)
        case "html":
            return page.page(whole)


def calls_of(program: Program) -> list[str]:
    """Return the column "step" of the table: for each step the verb, the task and its arguments."""
    return [row.call for row in table.table_of(program, None).rows]


def drawing(program: Program) -> str:
    """Return the program as HTML for notebooks, without the fingerprint, which would look into arguments."""
    return picture.picture(table.table_of(program, None))
