"""Former names raise errors that give the present ones."""

from __future__ import annotations

import importlib
from typing import Any, cast

import pytest

import daglite
from daglite.cli import main
from daglite.exceptions import ParameterError
from daglite.options import RENAMED
from tests.samples import one, rows


@pytest.mark.parametrize(
    ("module", "former", "present"),
    [
        ("daglite.events", "Answered", "BatchCompleted"),
        ("daglite.events", "Beat", "Heartbeat"),
        ("daglite.events", "Called", "CompletedLocally"),
        ("daglite.events", "Merged", "PartialsMerged"),
        ("daglite.observe", "Following", "ProgressReporter"),
        ("daglite.observe", "Line", "ProgressLine"),
        ("daglite.observe.bars", "Bars", "ProgressBars"),
        ("daglite.options", "RunOptions", "daglite.run_options.RunOptions"),
        ("daglite.testing", "Drawn", "DrawnPipeline"),
    ],
)
def test_classes(module: str, former: str, present: str) -> None:
    found = importlib.import_module(module)
    message = rf"^module '{module}' has no '{former}'; it is now called '{present}'$"

    with pytest.raises(ImportError, match=message):
        getattr(found, former)
    with pytest.raises(ImportError, match=message):
        exec(f"from {module} import {former}", {})
    home, _, name = present.rpartition(".")
    assert getattr(importlib.import_module(home) if home else found, name).__name__ == name
    with pytest.raises(AttributeError, match=rf"^module '{module}' has no attribute 'Nothing'$"):
        found.Nothing


@pytest.mark.parametrize(("former", "present"), RENAMED.items())
def test_options_of_compile(former: str, present: str) -> None:
    with pytest.raises(ParameterError, match=rf"^option '{former}' of `compile` is now called '{present}'$"):
        daglite.compile(rows.iter(n=1), **cast("Any", {former: 1}))


@pytest.mark.parametrize(("former", "present"), RENAMED.items())
def test_options_of_compile_given_to_a_run(former: str, present: str) -> None:
    message = (
        rf"^'{former}' is an option of compile, now called '{present}': write `daglite\.compile\(\.\.\., {present}="
    )
    with pytest.raises(ParameterError, match=message):
        rows.iter(n=1).run(**cast("Any", {former: 1}))
    with pytest.raises(ParameterError, match=message):
        daglite.compile(rows.iter(n=1)).run(**cast("Any", {former: 1}))


@pytest.mark.parametrize("command", ["run", "explain"])
@pytest.mark.parametrize(("former", "present"), RENAMED.items())
def test_options_of_the_command_line(
    command: str, former: str, present: str, capsys: pytest.CaptureFixture[str]
) -> None:
    former, present = f"--{former.replace('_', '-')}", f"--{present.replace('_', '-')}"
    for words in ([former, "8"], [f"{former}=8"]):
        with pytest.raises(SystemExit, match=r"^2$"):
            main([command, "shop:pipeline", *words])
        assert f"option '{former}' is now called '{present}'" in capsys.readouterr().err


def test_the_method_of_an_observer() -> None:
    class Former:
        def notice(self, event: object) -> None: ...

    with pytest.raises(ParameterError, match=r"^the method `notice\(event\)` of an observer is now called `on_event\("):
        one(n=1).run(runtime="inline", observers=[cast("Any", Former())])
