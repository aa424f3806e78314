"""A plan as JSON: every step and rule, for programs to read. The schema is docs/reference/explain.schema.json."""

from __future__ import annotations

import json

from daglite.explain.table import Table, TableRow
from daglite.program import Firing

# Changes when a reader of the old form would misread the new one; new keys alone do not change it.
VERSION = 1


def json_text(table: Table) -> str:
    """Return the plan as a JSON object, with every step."""
    program, limits, found = table.program, table.program.limits, table.fingerprint
    plan = {
        "format": "daglite.explain",
        "version": VERSION,
        "title": program.title,
        "optimised": program.optimised,
        "fingerprint": table.digest,
        "no_fingerprint": found.reason if found is not None and found.digest is None else None,
        "limits": {
            "max_in_flight": limits.max_in_flight,
            "max_in_flight_per_worker": limits.per_worker if limits.max_in_flight is None else None,
            "max_in_flight_bytes": limits.max_in_flight_bytes,
            "max_batch_size": limits.max_batch_size,
            "helper_thread": limits.helper_thread,
        },
        "steps": [_step(row) for row in table.rows],
        "rules": [_rule(firing) for firing in program.trace],
        "not_fused": list(program.remarks),
        "default_store": table.default_store,
        "coordinator": list(table.coordinator),
    }
    return json.dumps(plan, indent=2, ensure_ascii=False)


def _step(row: TableRow) -> dict[str, object]:
    return {
        "step": int(row.number),
        "stage": row.stage,
        "joined": row.joined,
        "where": row.where,
        "verb": row.verb,
        "task": row.task,
        "arguments": [argument._asdict() for argument in row.arguments],
        "type": row.type.removeprefix("-> "),
        "node": row.node or None,
        "limits": list(row.limits),
    }


def _rule(firing: Firing) -> dict[str, object]:
    return {
        "rule": firing.rule,
        "count": firing.count,
        "law": firing.law,
        "first": {"before": firing.before, "after": firing.after},
    }
