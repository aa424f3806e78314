"""The pipelines over orders, compared with plain Python."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from daglite import DatasetStore
from daglite.options import RuntimeName
from examples.orders import SMALL, Sale, customers_plan, revenue_plan, write_orders
from tests.engines.conformance.commands import dask_by_command
from tests.paths import ROOT

RUNTIMES: list[RuntimeName] = ["inline", "processes"]


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return all rows of a file."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def worth(row: dict[str, str]) -> int:
    """Return the value of an order in cents, without `Decimal`."""
    whole, cents = row["price"].split(".")
    return (100 * int(whole) + int(cents)) * int(row["quantity"])


def ranking(path: Path) -> list[tuple[str, int]]:
    """Return all customers, the largest totals first."""
    totals: dict[str, int] = defaultdict(int)
    for row in rows_of(path):
        totals[row["customer"]] += worth(row)
    return sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate some thousand orders."""
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    write_orders(path, 3000)
    return path


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_results_equal_plain_python(generated: Path, tmp_path: Path, runtime: RuntimeName) -> None:
    store = DatasetStore(tmp_path)
    for path in (SMALL, generated):
        total = revenue_plan(str(path), store, keep_rows=False).run(runtime=runtime)
        assert total == sum(map(worth, rows_of(path)))
        best = customers_plan(str(path), store, count=4).run(runtime=runtime)
        assert [tuple(sale) for sale in best] == ranking(path)[:4]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_row_and_both_results_are_kept(tmp_path: Path, runtime: RuntimeName) -> None:
    store = DatasetStore(tmp_path)
    total = revenue_plan(str(SMALL), store, keep_rows=True).run(runtime=runtime)
    best = customers_plan(str(SMALL), store).run(runtime=runtime)
    rows = rows_of(SMALL)
    assert len(rows) == 32
    assert set(store.list_keys()) == {"revenue", "best_3", *(f"rows/{index:07d}" for index in range(32))}
    assert [store.load(f"rows/{index:07d}") for index in range(32)] == rows
    assert store.load("revenue") == total == sum(map(worth, rows))
    assert store.load("best_3") == best == [Sale(*pair) for pair in ranking(SMALL)[:3]]


def test_made_up_orders_are_the_same_each_time(generated: Path, tmp_path: Path) -> None:
    write_orders(tmp_path / "again.csv", 3000)
    assert (tmp_path / "again.csv").read_bytes() == generated.read_bytes()
    assert rows_of(generated)[0].keys() == rows_of(SMALL)[0].keys()
    assert len(rows_of(generated)) == 3000


def test_script_prints_plans_results_and_keys(tmp_path: Path) -> None:
    text = run_script(tmp_path, "--store", str(tmp_path / "kept"))
    assert "reduce add(initial=0)" in text
    assert "join best_customers(" in text
    total, (first, cents) = sum(map(worth, rows_of(SMALL))), ranking(SMALL)[0]
    assert f"revenue {total / 100:,.2f}" in text
    assert any(line.split() == [*first.split(), f"{cents / 100:,.2f}"] for line in text.splitlines())
    assert f"34 values saved in {tmp_path / 'kept'}" in text
    assert DatasetStore(tmp_path / "kept").load("revenue") == total


def test_script_runs_the_same_plans_on_dask(tmp_path: Path) -> None:
    """Run on an existing cluster and on one of its own; rows are read and saved on this machine."""
    total, folder = sum(map(worth, rows_of(SMALL))), tmp_path / "dask"
    folder.mkdir()
    with dask_by_command(str(folder), workers=1) as address:
        for number, cluster in enumerate(([address], [])):
            store = tmp_path / f"kept{number}"
            text = run_script(tmp_path, "--store", str(store), "--dask", *cluster)
            assert f"revenue {total / 100:,.2f}" in text
            assert f"34 values saved in {store}" in text


def test_script_with_made_up_orders_keeps_no_rows_and_leaves_nothing(tmp_path: Path) -> None:
    text = run_script(tmp_path, "--rows", "500")
    assert "2 values saved in" in text
    assert list(tmp_path.iterdir()) == []


def run_script(folder: Path, *arguments: str) -> str:
    """Return the output of `examples/orders.py`, with its temporary files in this folder."""
    command = [sys.executable, str(ROOT / "examples" / "orders.py"), "--workers", "2", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=True, env=environment, cwd=folder, timeout=100
    )
    assert done.stderr == ""
    return done.stdout
