"""Orders in a CSV file: save each row, fold the revenue in constant memory, rank the best customers.

python examples/orders.py                    the 32 orders beside this script
python examples/orders.py --rows 1000000     generated orders
python examples/orders.py --dask             the same plans on a Dask cluster that is started for it
python examples/orders.py --dask host:8786   on an existing one; only this machine needs the file and the store
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import daglite
from daglite import DatasetStore, Plan, task
from daglite.run_options import RunOptions
from daglite.runtime import Dask

SMALL = Path(__file__).with_name("orders.csv")
COLUMNS = ("order", "day", "customer", "product", "quantity", "price")
PRODUCTS = {"coffee beans": "14.25", "desk lamp": "42.00", "paper cups": "0.07", "towels": "7.80"}


class Sale(NamedTuple):
    """The value of an order in cents; sums of cents are exact in any order."""

    customer: str
    cents: int


@task
def orders(path: str) -> Iterator[dict[str, str]]:
    """Yield the rows of the file."""
    with open(path, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@task
def sale(row: dict[str, str]) -> Sale:
    """Return the value of one order; returned goods have a negative quantity."""
    return Sale(row["customer"], int(Decimal(row["price"]) * 100) * int(row["quantity"]))


@task
def add(total: int, item: Sale) -> int:
    """Add one sale to the total."""
    return total + item.cents


@task
def best_customers(sales: list[Sale], count: int) -> list[Sale]:
    """Return the `count` customers with the largest totals; equal ones in alphabetical order."""
    totals: Counter[str] = Counter()
    for order in sales:
        totals[order.customer] += order.cents
    ranked = sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Sale(customer, cents) for customer, cents in ranked[:count]]


def revenue_plan(path: str, store: DatasetStore, *, keep_rows: bool) -> Plan[int]:
    """Return the plan of the revenue: a fold, with only the total and the items in flight in memory."""
    rows = orders.iter(path=path)
    if keep_rows:
        rows = rows.save("rows/{iteration_index:07d}", save_store=store)
    return daglite.compile(rows.then(sale).reduce(add, initial=0).save("revenue", save_store=store))


def customers_plan(path: str, store: DatasetStore, count: int = 3) -> Plan[list[Sale]]:
    """Return the plan of the best customers: a ranking needs every sale, so their list is in memory."""
    best = orders.iter(path=path).then(sale).join(best_customers, count=count)
    return daglite.compile(best.save("best_{count}", save_store=store))


def write_orders(path: Path, rows: int) -> None:
    """Generate orders, the same ones each time."""
    chance = random.Random(2026)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(1, rows + 1):
            product, price = chance.choice(list(PRODUCTS.items()))
            day = f"2026-03-{chance.randint(1, 31):02d}"
            writer.writerow(
                (number, day, f"customer {chance.randint(1, 1000):04d}", product, chance.randint(1, 9), price)
            )


def euros(cents: int) -> str:
    """Format cents as euros."""
    return f"{cents / 100:,.2f}"


def show(path: str, store: DatasetStore, where: RunOptions, *, keep_rows: bool) -> None:
    """Print both plans, run them, and print the results and the saved keys."""
    revenue, customers = revenue_plan(path, store, keep_rows=keep_rows), customers_plan(path, store)
    print(revenue.explain(), customers.explain(), sep="\n\n", end="\n\n", flush=True)
    started = time.perf_counter()
    total = revenue.run(**where)
    print(f"revenue {euros(total)}   ({time.perf_counter() - started:.2f} s)", flush=True)
    started = time.perf_counter()
    best = customers.run(**where)
    print(f"best customers   ({time.perf_counter() - started:.2f} s)")
    for found in best:
        print(f"    {found.customer:20} {euros(found.cents):>12}")
    keys = store.list_keys()
    print(f"{len(keys):,} values saved in {store.path}, the first keys {', '.join(keys[:3])}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Revenue and best customers of a file of orders.")
    parser.add_argument("--file", type=Path, default=SMALL, help="default: the orders next to this script")
    parser.add_argument("--rows", type=int, help="generate this many orders instead of reading a file")
    parser.add_argument("--store", help="folder for saved values (default: a temporary one)")
    parser.add_argument("--keep-rows", action=argparse.BooleanOptionalAction, help="default: unless --rows is given")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="default: %(default)s")
    parser.add_argument("--dask", nargs="?", const="", metavar="HOST:PORT", help="on a Dask cluster (of its own)")
    given = parser.parse_args(arguments)
    keep_rows = given.rows is None if given.keep_rows is None else given.keep_rows
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orders-")))
        file = given.file
        if given.rows is not None:
            file = scratch / "orders.csv"
            write_orders(file, given.rows)
        where: RunOptions = {"workers": given.workers}
        if given.dask is not None:
            # The number of workers applies to a cluster of its own.
            cluster = Dask(given.dask) if given.dask else Dask(workers=given.workers)
            where = {"runtime": stack.enter_context(cluster)}
        show(str(file), DatasetStore(given.store or scratch / "kept"), where, keep_rows=keep_rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
