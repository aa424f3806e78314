"""Key templates: what is accepted, what a key becomes, and when two saves may meet."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import assume, example, given, settings, strategies as st

from daglite.exceptions import DatasetError, ParameterError
from daglite.keys import INDEX, KeyTemplate, check_key, may_write_same_key, parse_key, render_key


def items(text: str, *known: str) -> KeyTemplate:
    """The template of a save on items; `{i}` is short for the index."""
    return parse_key(re.sub(r"\{i\b", "{" + INDEX, text), known=known, indexed=True, task="rows")


def value(text: str, *known: str) -> KeyTemplate:
    return parse_key(text, known=known, indexed=False, task="total")


def index_format(spec: str) -> str:
    return f"{{iteration_index:{spec}}}"


@pytest.mark.parametrize(
    ("text", "values", "index", "key"),
    [
        ("row_{iteration_index}", {}, 0, "row_0"),
        ("row_{iteration_index:04d}", {}, 17, "row_0017"),
        ("{path}/{iteration_index}", {"path": "a/b.csv", "unused": 1}, 3, "a/b.csv/3"),
        ("{iteration_index!r}", {}, 5, "5"),
        ("{path!r:>6}", {"path": "a"}, 5, "   'a'"),
        ("{path:.2f}", {"path": 1 / 3}, 5, "0.33"),
        ("{{{path}}}", {"path": 1}, None, "{1}"),
        ("plain", {}, None, "plain"),
        ("{iteration_index}{iteration_index:x}", {}, 12, "12c"),
    ],
)
def test_template_becomes_key(text: str, values: Mapping[str, object], index: int | None, key: str) -> None:
    template = parse_key(text, known=["path"], indexed=True, task="rows")
    assert render_key(template, values, index) == key


def test_template_tells_whether_items_differ() -> None:
    assert items("row_{i}").uses_index
    assert not items("{path}", "path").uses_index


def test_templates_are_values() -> None:
    template = items("{path}/{i:03d}", "path")
    assert template == items("{path}/{i:03d}", "path", "other")
    assert hash(template) == hash(copy.deepcopy(template))
    assert pickle.loads(pickle.dumps(template)) == template
    assert template != items("{path}/{i:04d}", "path")
    assert template.text == "{path}/{iteration_index:03d}"


@pytest.mark.parametrize("text", ["{", "}", "a{b", "{path!}", "{path!rx}", "{path:}}", "{{}", "{path[}"])
def test_broken_braces_are_malformed(text: str) -> None:
    with pytest.raises(ParameterError, match=rf"^key {re.escape(repr(text))} of task 'rows' is malformed: "):
        parse_key(text, known=["path"], indexed=True, task="rows")


@pytest.mark.parametrize(
    "name", ["", "0", "00", "path.stem", "path[0]", "path[", " path", "path ", "!", "a-b", "*0", "path[a]", "-"]
)
def test_fields_are_plain_names_only(name: str) -> None:
    with pytest.raises(ParameterError, match=r"is malformed: .*; a field is a plain name such as '\{path\}'"):
        parse_key(f"{{{name}}}", known=["path", "a", "*0", name], indexed=True, task="rows")


@pytest.mark.parametrize("text", ["{path:{width}}", "{path:{}}", "{path:>{width}d}", "{iteration_index:{width}}"])
def test_nested_fields_are_malformed(text: str) -> None:
    with pytest.raises(ParameterError, match=r"is malformed: the format of '\{.*\}' has fields of its own"):
        parse_key(text, known=["path", "width"], indexed=True, task="rows")


def test_unknown_conversion_is_malformed() -> None:
    with pytest.raises(ParameterError, match=r"^key '\{path!q\}' of task 'rows' is malformed: '!q' is none of"):
        items("{path!q}", "path")


@pytest.mark.parametrize("text", ["", None, 3, b"row", ["row"]])
def test_key_must_be_a_text(text: object) -> None:
    with pytest.raises(ParameterError, match=r"^`key` of task 'rows' must be a text such as 'row_\{.*\}'; got"):
        parse_key(text, known=[], indexed=True, task="rows")  # type: ignore[arg-type]


def test_unknown_name_shows_what_is_known() -> None:
    message = (
        "key '{pth}/x' of task 'rows' names 'pth', which will not exist; "
        "known names: 'iteration_index', 'n', 'path'; did you mean 'path'?"
    )
    with pytest.raises(ParameterError, match=f"^{re.escape(message)}$"):
        items("{pth}/x", "path", "n")


def test_index_is_unknown_for_one_value() -> None:
    message = "names 'iteration_index', which will not exist; known names: none; it exists only where items are saved"
    with pytest.raises(ParameterError, match=f"{re.escape(message)}$"):
        value("row_{iteration_index}")


@pytest.mark.parametrize("indexed", [True, False])
def test_parameter_named_like_the_index_is_refused(indexed: bool) -> None:
    with pytest.raises(ParameterError, match=r"but a parameter has that name too; rename the parameter$"):
        parse_key("{iteration_index}", known=[INDEX], indexed=indexed, task="rows")
    assert parse_key("{n}", known=[INDEX, "n"], indexed=indexed, task="rows").text == "{n}"


ACCEPTED = "d 5 05 05d >5 *<5 _^9 0>4 0=4 + - +05d , _ 08, 012_x b o x X 08b a>4d 2<9b =5 x<05d ,^9, _=+9_ 999 />3 <"
REFUSED = "1>3 5<3 0<3 0^3 <03 ^03d a>4x A<4X 1^4b 7=3o .3 .0f f e g % c n s #x z 1000 ,x ,b d5 5,, ? %Y \u0665 q"


@pytest.mark.parametrize("spec", ["", " ", " >5", *ACCEPTED.split()])
def test_index_format_that_keeps_items_apart(spec: str) -> None:
    keys = [f"k{index:{spec}}" for index in range(3000)]
    assert parse_key(index_format(spec), known=[], indexed=True, task="rows").uses_index
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("spec", REFUSED.split())
def test_index_format_that_may_mix_items_up(spec: str) -> None:
    with pytest.raises(ParameterError, match="may give two items the same key; so that no two items share a key"):
        parse_key(index_format(spec), known=[], indexed=True, task="rows")


@pytest.mark.parametrize("field", ["!s:5", "!r:05", "!s:.1", "!a:>3"])
def test_index_has_conversion_or_format(field: str) -> None:
    with pytest.raises(ParameterError, match="may give two items the same key"):
        items(f"{{i{field}}}")


fills = st.builds("".join, st.tuples(st.sampled_from(["", *"0019afAF x_,+-*"]), st.sampled_from("<>=^"))) | st.just("")
signs, zeros, widths = st.sampled_from(["", *"+- "]), st.sampled_from(["", "0"]), st.sampled_from(["", *"12347", "12"])
separators, kinds = st.sampled_from(["", "", ",", "_"]), st.sampled_from(["", *"dboxX"])
specs = st.builds("".join, st.tuples(fills, signs, zeros, widths, separators, kinds))
numbers = st.integers(0, 5000) | st.integers(0, 10**25)


def accepted(spec: str) -> bool:
    try:
        items(index_format(spec))
    except ParameterError:
        return False
    return True


@given(spec=specs.filter(lambda spec: accepted(spec)), pair=st.tuples(numbers, numbers))
@example(spec="0>5", pair=(0, 100))
def test_accepted_format_is_injective_and_never_shrinks(spec: str, pair: tuple[int, int]) -> None:
    """Law: two items have two keys; longer numbers never have shorter texts."""
    low, high = sorted(pair)
    assert (format(low, spec) == format(high, spec)) == (low == high)
    assert len(format(low, spec)) <= len(format(high, spec))


@given(spec=specs)
@settings(max_examples=4 * settings().max_examples)
def test_format_that_mixes_small_numbers_is_refused(spec: str) -> None:
    """Law: a format under which any two of the first numbers look alike is not accepted."""
    try:
        texts = {format(index, spec) for index in range(1200)}
    except ValueError:
        texts = set()
    assert len(texts) == 1200 or not accepted(spec)


@given(spec=specs)
def test_useful_formats_are_not_refused(spec: str) -> None:
    """Law: what is refused fails in Python, or shows a digit as its fill."""
    assume(not accepted(spec))
    kind = spec[-1] if spec[-1] in "boxX" else "d"
    fill = spec[0] if spec[1:2] in ("<", ">", "=", "^") else "0"
    assert ("," in spec and kind != "d") or fill in {"b": "01", "o": "01234567", "d": "0123456789"}.get(
        kind, "0123456789abcdefABCDEF"
    )


@given(parts=st.lists(st.sampled_from(["{i}", "{i:04x}", "{i:_>3}", "{i!r}", "{n}", "a", "1", "/b", "{{"]), max_size=5))
def test_items_of_one_save_have_different_keys(parts: list[str]) -> None:
    """Law: a template with the index, whatever stands around it, gives each item a key of its own."""
    template = items("x" + "".join(parts) + "{i}", "n")
    keys = [template.text.format_map({"n": 12, INDEX: index}) for index in range(1200)]
    assert len(set(keys)) == len(keys)


@given(text=st.text("{}:!.[]0ai n>", max_size=12), indexed=st.booleans())
def test_accepted_template_never_breaks_a_run(text: str, indexed: bool) -> None:
    """Law: a template is refused at once, or gives a legal key, or the error for values that do not fit."""
    try:
        template = parse_key(text, known=["a", "n", "i"], indexed=indexed, task="rows")
    except ParameterError:
        return
    for index in (0, 12):
        with suppress(DatasetError):
            check_key(render_key(template, {"a": 1, "n": "x", "i": 2.5}, index))


def test_value_that_cannot_be_formatted_names_the_template() -> None:
    with pytest.raises(
        DatasetError, match=r"^key template '\{n:d\}' cannot be filled in: ValueError: .*change the format$"
    ):
        render_key(value("{n:d}", "n"), {"n": "text"}, None)


def test_any_error_of_a_value_is_a_dataset_error() -> None:
    class Odd:
        def __format__(self, spec: str) -> str:
            raise ZeroDivisionError("odd")

    with pytest.raises(DatasetError, match="cannot be filled in: ZeroDivisionError: odd") as caught:
        render_key(value("{n}", "n"), {"n": Odd()}, None)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(("template", "index"), [(items("{n}", "n"), 0), (items("{i}"), None)])
def test_missing_value_is_a_dataset_error(template: KeyTemplate, index: int | None) -> None:
    with pytest.raises(DatasetError, match="cannot be filled in: KeyError: "):
        render_key(template, {}, index)


ILLEGAL = [
    "",
    "/a",
    "//a",
    "\\a",
    "C:",
    "C:a",
    "c:/a",
    "C:\\a",
    "..",
    "../a",
    "a/..",
    "a/../b",
    "a\\..\\b",
    "..\\a",
    "a\\..",
]
ILLEGAL += ["a/..\\b", ".", "./a", "a/.", "a/./b", "a//b", "a/", "a\0b", "\0"]
LEGAL = [
    "a",
    "a/b",
    ".a",
    "..a",
    "a..",
    "...",
    "a/...",
    "a.b",
    "a\\b",
    "12:30",
    "ab:c",
    "é",
    "a b",
    " ",
    "\n",
    "a\n",
    "{",
    "~",
    "-",
]


@pytest.mark.parametrize("key", ILLEGAL)
def test_illegal_key_is_refused(key: str) -> None:
    with pytest.raises(DatasetError, match=f"^key {re.escape(repr(key))} is not allowed; a key is a relative path"):
        check_key(key)
    with pytest.raises(DatasetError, match=r"^key template '\{n\}' gives the key .*, which is not allowed; a key is"):
        render_key(value("{n}", "n"), {"n": key}, None)


@pytest.mark.parametrize("key", LEGAL)
def test_legal_key_passes(key: str) -> None:
    check_key(key)
    assert render_key(value("{n}", "n"), {"n": key}, None) == key


def test_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"^key 3 is not allowed"):
        check_key(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("row_{i}", "row_1", True),
        ("row_{i}", "row_01", False),
        ("row_{i}", "row_x", False),
        ("row_{i}", "row_12345678901234567", True),
        ("row_{i}", "row_{i:03d}", True),
        ("row_{i}", "row_{i: >3}", True),
        ("row_{i:03d}", "row_7", False),
        ("row_{i:03d}", "row_007", True),
        ("a_{i}", "b_{i}", False),
        ("{i}", "x{i}", False),
        ("{i}", "1{i}", True),
        ("{i}_{i}_2", "{i}_1_{i}", False),
        ("{i}_{i}_1", "{i}_1_{i}", True),
        ("{i}0", "{i}1", False),
        ("{i}0001", "77{i}", True),
        ("{i}9", "{i}99{i}", True),
        ("{i}_{i}", "{i}_{i}", True),
        ("{i}_{i}", "3_3", True),
        ("{i}_{i}", "3_4", False),
        ("{i}_{i}", "{i}_{i:02d}", True),
        ("{i}_1{i}", "{i}_{i}", False),
        ("{i}{i}", "1212", True),
        ("{i}{i}", "1213", False),
        ("{i}{i}", "{i}", True),
        ("a{i}{i}b", "a{i}{i}{i}b", True),
        ("{i:x}", "{i:X}", True),
        ("a{i:x}", "{i:X}", False),
        ("{i:x}", "face", True),
        ("{i:b}", "2{i}", False),
        ("{i:b}", "1{i}", True),
        ("{i:,}", "1,{i}", True),
        ("{i:,}", "1_{i}", False),
        ("{i:,}", "{i:_}", True),
        ("{i:+}", "{i}", False),
        ("{i:+}", "+{i}", True),
        ("{i}_{i:x}", "{i}_{i:x}", True),
        ("{i}_{i:x}", "26_1a", True),
        ("{i}_{i:x}", "26_1b", False),
        ("plain", "plain", True),
        ("plain", "other", False),
        ("{{i}}", "{{i}}", True),
    ],
)
def test_saves_meet(one: str, other: str, meet: bool) -> None:
    assert may_write_same_key(items(one), {}, items(other), {}) is meet
    assert may_write_same_key(items(other), {}, items(one), {}) is meet


@pytest.mark.parametrize(
    ("values", "others", "meet"),
    [({"n": "a"}, {"n": "a"}, True), ({"n": "a"}, {"n": "b"}, False), ({}, {"n": "a"}, False), ({}, {}, False)],
)
def test_saves_meet_only_for_known_values(values: dict[str, object], others: dict[str, object], meet: bool) -> None:
    template = items("{n!s:>3}/{i}", "n")
    assert may_write_same_key(template, values, template, others) is meet


def test_value_stands_for_its_text_in_a_meeting() -> None:
    template = value("row_{n:0>3}", "n")
    assert may_write_same_key(items("row_{i:03d}"), {}, template, {"n": 5})
    assert not may_write_same_key(template, {"n": []}, template, {"n": []}), "a list has no such format"


# Letters that are digits, signs, separators and fills at once make templates meet often.
literals = st.text("01a_+ ,", min_size=1, max_size=3)
fields = st.sampled_from(["", "d", "03d", "2", "*>3", ",", "05,", "_", "+", "x", "X", "b", "04b", "_x"]).map(
    index_format
)
plain = st.lists(literals | fields | st.just("{iteration_index}"), min_size=1, max_size=4).map("".join)
near = st.tuples(literals | st.just(""), st.just("{iteration_index}"), literals | st.just("")).map("".join)
templates = plain | near | near | literals


SOME = range(300)
# The numbers that such literals and their pieces can ask for, in each base, and enough others.
MANY = {*range(4100), *(int(f"{n:b}") for n in range(1024)), *(int(f"{n:b}".replace("1", "a"), 16) for n in range(64))}
MANY |= {int("".join(digits), 16) for size in range(1, 6) for digits in product("01a", repeat=size)}


def keys_of(template: KeyTemplate, indices: Collection[int]) -> set[str]:
    return {template.text.format_map({INDEX: index}) for index in indices}


def writes(template: KeyTemplate, key: str) -> bool:
    """Whether some index gives `key`: one that can be read from it where the first field stands."""
    first = template.parts[0]
    start = len(first) if isinstance(first, str) else 0
    numbers = {0}
    for end in range(start + 1, len(key) + 1):
        digits = re.sub("[ ,_+*]", "", key[start:end])
        for base in (2, 10, 16):
            with suppress(ValueError):
                numbers.add(int(digits, base))
    return key in keys_of(template, numbers)


@given(one=templates, other=templates)
@settings(max_examples=4 * settings().max_examples)
@example(one="{i}", other="0{i}")
@example(one="{i}0", other="1{i}")
def test_saves_meet_as_brute_force_says(one: str, other: str) -> None:
    """Law: a common key among the first 300 items of each is found, and what is found is there."""
    a, b = items(one), items(other)
    meet = may_write_same_key(a, {}, b, {})
    if keys_of(a, SOME) & keys_of(b, SOME):
        assert meet
    elif meet:
        assert any(writes(a, key) for key in keys_of(b, MANY)) or any(writes(b, key) for key in keys_of(a, MANY))
