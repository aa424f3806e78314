"""The long text: every step, every rule with its law, every remark."""

from __future__ import annotations

import subprocess
import sys

import pytest

from daglite import compile
from daglite.compile.rewrite import law_of
from daglite.compile.rules import RULES
from tests.paths import GOLDEN
from tests.samples import check_golden, one
from tests.unit.compile.test_long import maps
from tests.unit.explain.pipelines import PIPELINES


@pytest.mark.parametrize("name", ["saved", "shared", "retries"])
def test_text_is_as_reviewed(name: str) -> None:
    check_golden(GOLDEN / f"{name}_verbose.txt", without_hash(compile(PIPELINES[name]).explain("verbose")))


def without_hash(text: str) -> str:
    return "\n".join("fingerprint: ..." if line.startswith("fingerprint:") else line for line in text.splitlines())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_says_its_law(rule: object) -> None:
    """The plan carries it, so it must be one line that stands for itself."""
    doc = (rule.__doc__ or "").splitlines()[0]

    assert doc.startswith("Law: ")
    assert doc.endswith(".")
    assert " = " in doc


def test_law_of_a_rule_is_in_the_plan() -> None:
    (firing,) = compile(one(n=1).then(one)).program.trace

    assert (firing.rule, firing.law) == ("fuse_calls", "`f(x=g(...))` = `f(g(...))` in one trip to a worker.")
    assert "    law:    `f(x=g(...))` = `f(g(...))` in one trip" in compile(one(n=1).then(one)).explain("verbose")


def test_laws_are_left_out_where_python_runs_without_docstrings() -> None:
    program = "import daglite as d; t = d.task(len); print(d.compile(t([1]).then(t)).explain('verbose'))"
    done = subprocess.run([sys.executable, "-OO", "-c", program], capture_output=True, text=True, check=True)

    assert "  fuse_calls 1\n    before: " in done.stdout


def test_law_is_empty_without_a_docstring() -> None:
    def rule(node: object, readers: object, /) -> None:
        return None

    assert law_of(rule) == ""


def test_nothing_is_folded_away() -> None:
    text = compile(maps(100)).explain("verbose")

    assert text.count("then minus(b=0)") == 100
    assert "    (and 98 more like it)" in text


def test_plain_plan_has_no_rules() -> None:
    text = compile(PIPELINES["design_example"], optimize=False).explain("verbose")

    assert "\nrules: none, optimize=False\n" in text
    assert "\nnot fused: everything runs step by step\n" in text


def test_limits_are_told_in_words() -> None:
    text = compile(one(n=1), max_in_flight=7, max_batch_size=3, max_in_flight_bytes=1000, helper_thread=False).explain(
        "verbose"
    )

    assert "  max in flight:       7 items between source and sink" in text
    assert "  max in flight bytes: 1000 bytes of items and results" in text
    assert "  max batch size:      3 items in one message" in text
    assert "  helper thread:       results and folds wait while the source waits" in text


def test_whole_fingerprint_or_its_reason_is_told() -> None:
    named, unnamed = compile(one(n=1)), compile(one(n=object()))

    assert f"\nfingerprint: {named.fingerprint}" in named.explain("verbose")
    assert "\nno fingerprint: argument 'n' of task 'one'" in unnamed.explain("verbose")
