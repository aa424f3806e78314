"""A real notebook, run without a browser: what its cells show, how progress looks, and that nothing runs for that.

The whole notebook is run once; each test looks at some of its cells.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from tests.docs.notebook.cells import CELLS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


class Shown(Protocol):
    """The outputs of the cell of this name."""

    def __call__(self, name: str) -> list[dict[str, Any]]: ...


@pytest.fixture(scope="module")
def notebook() -> Any:
    """The notebook after its run, as it would be saved."""
    cells = [
        {"cell_type": "code", "id": f"cell{n}", "source": source.strip(), "outputs": [], "metadata": {}}
        for n, source in enumerate(CELLS.values())
    ]
    # Neither is annotated.
    made = cast(Any, nbformat).from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})
    NotebookClient(made, timeout=60, kernel_name="python3", allow_errors=True).execute()
    return made


@pytest.fixture
def shown(notebook: Any) -> Shown:
    def of(name: str) -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = notebook.cells[list(CELLS).index(name)].outputs
        return outputs

    return of


def test_a_future_is_one_line(shown: Shown) -> None:
    for output in [*shown("future"), *shown("others")]:
        assert set(output["data"]) == {"text/plain", "text/html"}
        assert output["data"]["text/html"].count("has not run: <code>.run()</code> it") == 1
        assert "\n" not in output["data"]["text/html"]
    assert len(shown("others")) == 3


def test_a_plan_is_a_picture_with_its_text(shown: Shown) -> None:
    (output,) = shown("plan")
    assert output["data"]["text/plain"] == "Plan(ReduceFuture[float], 1 stage)"
    picture = output["data"]["text/html"]
    assert picture.startswith('<div class="daglite-plan">')
    for text in ("iter orders(n=20)", "then priced", "reduce add(initial=0.0)"):
        assert text in picture


def test_nothing_runs_for_what_is_shown(shown: Shown) -> None:
    assert shown("nothing ran")[0]["data"] == {"text/plain": "[]"}


@pytest.mark.parametrize("name", ["progress", "await", "threads", "bars"])
def test_progress_is_one_line_that_is_replaced(name: str, shown: Shown) -> None:
    """One output of plain text, beside the value: nothing on the error output, and no trace of the states before."""
    line, value = shown(name)
    assert line["output_type"] == "display_data"
    assert list(line["data"]) == ["text/plain"]
    assert line["data"]["text/plain"].startswith("add  20 done  ")
    assert value["data"] == {"text/plain": "285.0"}


@pytest.mark.parametrize(("name", "value"), [("silence", "285.0"), ("quick", "[0.0, 1.5, 3.0, 4.5, 6.0]")])
def test_quick_runs_and_those_that_want_none_show_no_progress(name: str, value: str, shown: Shown) -> None:
    assert [output["data"] for output in shown(name)] == [{"text/plain": value}]


def test_a_stream_can_be_left(shown: Shown) -> None:
    assert [(output["name"], output["text"]) for output in shown("stream")] == [("stdout", "0.0 1.5 3.0\n")]


def test_an_error_tells_its_item(shown: Shown) -> None:
    (error,) = shown("error")
    assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert "daglite: task 'inverse', item 3 (3), worker" in "\n".join(error["traceback"])


def test_the_stop_button_ends_a_run(shown: Shown) -> None:
    *_, error = shown("interrupt")
    assert error["ename"] == "KeyboardInterrupt"
    assert shown("afterwards")[0]["data"] == {"text/plain": "[0.0, 1.5, 3.0]"}
    assert shown("nothing left")[0]["data"] == {"text/plain": "[]"}


def test_the_page_made_of_it_has_nothing_red_but_errors(notebook: Any) -> None:
    page, _ = cast(Any, HTMLExporter)().from_notebook_node(notebook)  # it is not annotated
    assert page.count('<div class="daglite-plan">') == 1
    assert page.count('data-mime-type="application/vnd.jupyter.stderr"') == len(["error", "interrupt"])
