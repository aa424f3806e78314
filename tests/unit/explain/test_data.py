"""The plan as JSON: it fits the schema of the documentation, and the schema names all that is in it."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest

from daglite import compile
from tests.paths import ROOT
from tests.samples import one
from tests.unit.compile.test_long import maps
from tests.unit.explain.pipelines import PIPELINES

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/reference/explain.schema.json").read_text(encoding="utf-8"))


def strict(schema: Any) -> Any:
    """The schema, closed: readers must not mind new keys, but we must not forget to describe them."""
    if isinstance(schema, dict):
        closed = {key: strict(value) for key, value in schema.items()}
        return closed | {"additionalProperties": False} if "properties" in schema else closed
    return [strict(one) for one in schema] if isinstance(schema, list) else schema


def told(name: str, *, optimize: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(compile(PIPELINES[name], optimize=optimize).explain("json"))
    return found


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("optimize", [True, False])
def test_every_plan_fits_the_schema(name: str, optimize: bool) -> None:
    jsonschema.Draft202012Validator(strict(SCHEMA)).validate(told(name, optimize=optimize))


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (["version"], 2, "1 was expected"),
        (["steps"], [], "should be non-empty"),
        (["steps", 0, "verb"], "yield", "'yield' is not one of"),
        (["steps", 0, "where"], "worker", "'worker' is not one of"),
        (["steps", 0, "step"], "0", "'0' is not of type 'integer'"),
        (["fingerprint"], "abc", "'abc' does not match"),
        (["limits", "max_batch_size"], 0, "less than the minimum"),
        (["rules", 0, "first"], {}, "'before' is a required property"),
        (["news"], 1, "'news' was unexpected"),
    ],
)
def test_schema_finds_what_does_not_fit(path: list[Any], value: object, complaint: str) -> None:
    plan = copy.deepcopy(told("saved"))
    *way, last = path
    place: Any = plan
    for key in way:
        place = place[key]
    place[last] = value

    with pytest.raises(jsonschema.ValidationError, match=complaint):
        jsonschema.Draft202012Validator(strict(SCHEMA)).validate(plan)


def test_steps_are_those_of_the_plan() -> None:
    steps = told("shared")["steps"]

    assert [step["step"] for step in steps] == list(range(7))
    assert steps[4] == {
        "step": 4,
        "stage": 2,
        "joined": True,
        "where": "workers",
        "verb": "then",
        "task": "scale",
        "arguments": [],
        "type": "int",
        "node": None,
        "limits": ["batch adaptive"],
    }
    assert steps[5]["arguments"] == [
        {"name": "a", "text": "#4", "step": 4},
        {"name": "b", "text": "#0", "step": 0},
    ]


def test_rules_carry_their_law_and_first_change() -> None:
    (rule,) = [rule for rule in told("shared")["rules"] if rule["rule"] == "fuse_maps"]

    assert rule == {
        "rule": "fuse_maps",
        "count": 1,
        "law": "`.then(f).then(g)` = `.then(g after f)`.",
        "first": {"before": "map scale", "after": "mapped -> then double -> then scale"},
    }


def test_long_plan_is_told_whole() -> None:
    assert len(json.loads(compile(maps(500)).explain("json"))["steps"]) == 501


def test_limits_and_the_missing_fingerprint_are_data() -> None:
    plan = json.loads(compile(one(n=object()), max_in_flight=7).explain("json"))

    assert plan["limits"]["max_in_flight"] == 7
    assert plan["limits"]["max_in_flight_per_worker"] is None
    assert plan["fingerprint"] is None
    assert plan["no_fingerprint"].startswith("argument 'n' of task 'one'")
