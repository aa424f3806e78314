"""Option records: what is allowed, and what a wrong value says."""

from __future__ import annotations

import inspect
from typing import Any, cast

import pytest

import daglite
from daglite.exceptions import ParameterError, TaskError
from daglite.options import MIB, Limits, Store, check_choice, check_count
from daglite.run_options import RunOptions, RunSettings, settings_of
from daglite.runtime import Processes
from tests.samples import Memory, one, rows


def test_nothing_given_means_the_defaults() -> None:
    settings = settings_of({})

    assert settings == RunSettings()
    assert (settings.runtime, settings.workers, settings.start_method) == ("processes", None, "auto")
    assert settings.worker_retries == 2


def test_given_options_are_kept() -> None:
    settings = settings_of({"runtime": "inline", "workers": 3, "start_method": "spawn", "worker_retries": 0})

    assert (settings.runtime, settings.workers, settings.start_method) == ("inline", 3, "spawn")
    assert settings.worker_retries == 0


def test_store_is_not_part_of_the_settings() -> None:
    """It never travels; the plan hands it to the run."""
    assert settings_of({"store": "folder"}) == settings_of({})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, r"^`workers` must be a whole number >= 1; got 0$"),
        ({"workers": -1}, r"^`workers` must be a whole number >= 1; got -1$"),
        ({"workers": 2.0}, r"^`workers` must be a whole number >= 1; got 2\.0$"),
        ({"workers": True}, r"^`workers` must be a whole number >= 1; got True$"),
        ({"workers": "2"}, r"^`workers` must be a whole number >= 1; got '2'$"),
        ({"worker_retries": -1}, r"^`worker_retries` must be a whole number >= 0; got -1$"),
        ({"worker_retries": None}, r"^`worker_retries` must be a whole number >= 0; got None$"),
        (
            {"runtime": "thread"},
            r"^`runtime` must be one of 'processes', .*'auto', 'dask', 'dask://host:port', 'ray', or an object of "
            r"`daglite\.runtime` such as .*, `Dask\(client\)` or `Ray\('host:port'\)`; got 'thread'; did you mean 'thr",
        ),
        ({"runtime": "http://host:1"}, r"^`runtime` must be .*; got 'http://host:1'"),
        ({"runtime": Processes}, r"^`runtime` must be .*; got <class '.*Processes'>; write `Processes\(\)`$"),
        ({"runtime": "procss"}, r"got 'procss'; did you mean 'processes'\?$"),
        ({"n_jobs": 2}, r"^unknown option 'n_jobs'; known: runtime, workers, .*; did you mean 'workers'\?$"),
        ({"processes": 2}, r"^unknown option 'processes'; .*; did you mean 'workers'\?$"),
        ({"max_workers": 2}, r"^unknown option 'max_workers'; .*; did you mean 'workers'\?$"),
        ({"runtime": None}, r"^`runtime` must be .*; got None"),
        (
            {"start_method": "forks"},
            r"^`start_method` must be .*'auto', 'fork', 'forkserver', 'spawn'; got 'forks'; did you mean 'fork'\?$",
        ),
        ({"worker": 2}, r"^unknown option 'worker'; known: runtime, workers, .*; did you mean 'workers'\?$"),
        (
            {"window": 8},
            r"^'window' is an option of compile, now called 'max_in_flight': "
            r"write `daglite\.compile\(\.\.\., max_in_flight=\.\.\.\)",
        ),
        ({"colour": 2}, r"^unknown option 'colour'; known: runtime, workers, start_method, worker_retries, [a-z_, ]+$"),
    ],
)
def test_wrong_options_of_a_run_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        settings_of(cast("RunOptions", options))
    plan = daglite.compile(one(n=1))
    with pytest.raises(ParameterError, match=message):
        plan.run(**cast("RunOptions", options))


@pytest.mark.parametrize("store", [3, object(), ["folder"]])
def test_wrong_store_of_a_run_is_refused(store: object) -> None:
    with pytest.raises(ParameterError, match=r"^`store` must be a store \(an object with `save\(key, value\)`\) or a"):
        daglite.compile(one(n=1)).run(**cast("RunOptions", {"store": store, "runtime": "inline"}))


def test_the_class_of_a_store_is_no_store() -> None:
    """It has the method that a store has."""
    with pytest.raises(ParameterError, match=r"^`store` takes a store, and 'DatasetStore' is a class: make one, "):
        daglite.compile(one(n=1)).run(**cast("RunOptions", {"store": daglite.DatasetStore, "runtime": "inline"}))
    with pytest.raises(ParameterError, match=r"^`save_store` takes a store, and 'DatasetStore' is a class: make one"):
        one(n=1).save("key", save_store=cast("Any", daglite.DatasetStore))


@pytest.mark.parametrize("name", ["max_in_flight", "max_batch_size", "max_in_flight_bytes"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "8"])
def test_wrong_limits_of_compile_are_refused(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match=rf"^`{name}` must be a whole number >= 1; got {value!r}$"):
        daglite.compile(rows.iter(n=1), **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["optimize", "helper_thread"])
def test_wrong_switches_of_compile_are_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=rf"^`{name}` must be True or False; got 1$"):
        daglite.compile(rows.iter(n=1), **{name: 1})  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [rows, 3, None, [1], rows.iter])
def test_only_futures_can_be_compiled(given: object) -> None:
    with pytest.raises(TaskError, match=r"^`compile` needs a future; got .*; call a task, or use `\.iter`, `\.map`"):
        daglite.compile(given)  # type: ignore[arg-type]


def test_window_counts_items_in_all_or_for_each_worker() -> None:
    assert Limits().items(workers=2) == 1024
    assert Limits(max_in_flight=8).items(workers=4) == 8
    assert Limits(per_worker=10).items(workers=3) == 30
    assert Limits().max_in_flight_bytes == 64 * MIB


@pytest.mark.parametrize("window", [1, 2, 3, 8, 100, 5000])
@pytest.mark.parametrize("workers", [1, 2, 4, 64])
def test_two_batches_for_each_worker_fit_into_the_window(window: int, workers: int) -> None:
    limits = Limits(max_in_flight=window, max_batch_size=256)
    most, cheap = limits.batch_items(workers)

    assert 1 <= most <= cheap <= 256
    assert most == 1 or most * 2 * workers <= window
    assert cheap == 1 or cheap * workers <= window
    assert workers > 1 or cheap == most


def test_batch_is_at_most_what_was_asked_for() -> None:
    assert Limits(max_batch_size=7).batch_items(workers=2) == (7, 7)


def test_a_run_knows_the_options_of_compile() -> None:
    signature = inspect.signature(daglite.compile)
    for name in [p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]:
        with pytest.raises(ParameterError, match=rf"^'{name}' is an option of compile"):
            settings_of(cast("RunOptions", {name: 1}))


def test_anything_with_a_save_is_a_store() -> None:
    assert isinstance(Memory(), Store)
    assert not isinstance(object(), Store)


def test_checks_say_what_is_allowed() -> None:
    check_count("n", 0, least=0)
    check_choice("c", "a", ("a", "b"))
    with pytest.raises(ParameterError, match=r"^`n` must be a whole number >= 2; got 1$"):
        check_count("n", 1, least=2)
    with pytest.raises(ParameterError, match=r"^`c` must be one of 'a', 'b'; got 'x'$"):
        check_choice("c", "x", ("a", "b"))


def test_settings_are_frozen_and_checked() -> None:
    with pytest.raises(AttributeError, match="cannot assign to field 'workers'"):
        RunSettings().workers = 2  # type: ignore[misc]
    with pytest.raises(ParameterError, match=r"^`workers` must be a whole number >= 1; got 0$"):
        RunSettings(workers=0)
