"""The kernel's counters of out-of-memory kills, read from folders like its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from daglite.runtime.engines.processes.oom import MemoryKills, memory_hint, memory_kills

LEGACY = "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"
EVENTS = "low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\noom_group_kill 0\n"


def tree(folder: Path, groups: str, files: dict[str, str], vmstat: str = "pgfault 3\noom_kill 9\n") -> MemoryKills:
    """What is read where `/proc` and the mounted groups look like this."""
    proc, cgroups = folder / "proc", folder / "cgroup"
    texts = {proc / "self" / "cgroup": groups, proc / "vmstat": vmstat}
    texts.update({cgroups / name: text for name, text in files.items()})
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return memory_kills(str(proc), str(cgroups))


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/a/b\n", {"a/b/memory.events": EVENTS}),
        ("0::/\n", {"memory.events": EVENTS}),
        # A container: the path is the host's, and only what lies below it is to be seen.
        ("0::/host/box\n", {"memory.events": EVENTS}),
        ("9:cpu,memory:/a\n1:name=systemd:/x\n0::/\n", {"memory/a/memory.oom_control": LEGACY.replace("4", "2")}),
        ("4:memory:/host/box\n", {"memory/memory.oom_control": LEGACY.replace("4", "2")}),
        # Both hierarchies are mounted: memory is counted where the controller is.
        ("4:memory:/a\n0::/a\n", {"memory/a/memory.oom_control": "oom_kill 2", "a/memory.events": "oom_kill 7"}),
        ("4:memory:/a:b\n", {"memory/a:b/memory.oom_control": "oom_kill 2"}),
    ],
)
def test_the_counter_of_the_own_group_is_found(groups: str, files: dict[str, str], tmp_path: Path) -> None:
    assert tree(tmp_path, groups, files) == (2, 9)


@pytest.mark.parametrize(
    ("groups", "files", "vmstat", "expected"),
    [
        ("0::/a\n", {}, "oom_kill 9\n", (None, 9)),
        ("0::/a\n", {"a/memory.events": "oom 3\n"}, "nr_dirty 1\n", (None, None)),
        ("not a line of the kernel's\n", {}, "", (None, None)),
        ("", {}, "oom_kill 0\n", (None, 0)),
    ],
)
def test_what_is_not_told_is_none(
    groups: str, files: dict[str, str], vmstat: str, expected: tuple[int | None, int | None], tmp_path: Path
) -> None:
    assert tree(tmp_path, groups, files, vmstat) == expected


def test_nothing_at_all_is_no_error(tmp_path: Path) -> None:
    assert memory_kills(str(tmp_path / "no"), str(tmp_path / "no")) == (None, None)


@pytest.mark.parametrize(
    ("before", "now", "match"),
    [
        ((0, 0), (1, 1), "killer ended a process of this memory cgroup during this run: use fewer workers"),
        ((2, 5), (4, 9), "killer ended 2 processes of this memory cgroup"),
        ((2, 5), (2, 6), "killer ended a process of this system"),
        ((None, 5), (None, 8), "killer ended 3 processes of this system"),
        ((2, 5), (2, 5), "killer was not at work"),
        ((None, 5), (None, 5), "killer was not at work"),
        ((None, None), (None, None), "if the system ran out of memory, use fewer workers"),
    ],
)
def test_the_hint_says_what_the_counters_say(
    before: tuple[int | None, int | None], now: tuple[int | None, int | None], match: str
) -> None:
    assert match in memory_hint(MemoryKills(*before), MemoryKills(*now))
