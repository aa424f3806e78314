"""Key templates that no value makes legal are refused at `.save()`, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from daglite.exceptions import DatasetError, ParameterError
from daglite.keys import KeyTemplate, check_key, parse_key, render_key


def read(text: str) -> KeyTemplate:
    return parse_key(text, known=["n", "i"], indexed=False, task="rows")


@pytest.mark.parametrize(
    "text", ["../x", "..", "a/../{n}", "{n}/..", "/{n}", "a//{n}", "{n}/", "./{n}", "C:{n}", "\\{n}", "a/\0"]
)
def test_template_that_never_gives_a_legal_key_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=r"^key .* of task 'rows' never gives a key that is allowed; a key is a"):
        read(text)


@pytest.mark.parametrize("text", ["..{n}", "{n}..", "{n}/a", "a/{n}", "{n}:b", "a.{n}", "...", "a/.{n}/b", "{{../b}}"])
def test_template_that_may_give_a_legal_key_is_taken(text: str) -> None:
    check_key(render_key(read(text), {"n": 7}, None))


@given(
    parts=st.lists(st.sampled_from(["..", ".", "/", "\\", "C:", "a", "{n}", "{i}"]), min_size=1, max_size=6),
    n=st.text("./\\aC:", max_size=3),
)
def test_refused_template_gives_no_legal_key_for_any_value(parts: list[str], n: str) -> None:
    """Law: what is refused at once would be refused by each run."""
    text = "".join(parts)
    try:
        read(text)
    except ParameterError:
        with pytest.raises(DatasetError, match="is not allowed"):
            check_key(text.format_map({"n": n, "i": "0"}))
