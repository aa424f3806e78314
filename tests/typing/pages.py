"""The parts of the docs that are made from the programs; each stands in its page between two marks."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.typing.programs import JUDGES, OK, ROOT, Program, negatives, positives

END = "<!-- end -->\n"
HOW_TO = ROOT / "docs" / "how-to" / "types.md"
MISTAKES = ROOT / "docs" / "reference" / "mistakes.md"
SPEAKERS = {"mypy": "mypy", "plugin": "mypy with the plugin", "pyright": "pyright", "python": "Python, when built"}
HEADS = ("mypy", "with the plugin", "pyright", "pyrefly", "ty", "Python")
# The file of the program, and what the page calls the mistake.
TEN = {
    "chain_of_an_item_of_a_wrong_type": "An item the task does not take",
    "chain_with_a_list_task": "An item where the task wants the list",
    "chain_with_a_called_extra": "A call where the task belongs",
    "chain_with_an_unknown_extra": "An extra that is misspelt",
    "chain_of_an_item_into_the_wrong_parameter_extra_by_position": "The item in the wrong parameter",
    "reduce_with_the_order_swapped": "A fold with its parameters in the wrong order",
    "reduce_with_an_initial_of_a_wrong_type": "A fold that starts with something else",
    "iter_of_a_task_that_returns_a_list": "A stream from a task that is no generator",
    "partial_with_an_unknown_name": "A name that `.partial` does not know",
    "result_of_a_wrong_type_list_for_a_fold": "The result taken for something else",
}


@dataclass(frozen=True)
class Part:
    """A part of a page: where it is, and what belongs there now."""

    page: Path
    mark: str
    text: Callable[[], str]

    @property
    def begin(self) -> str:
        """The line before it."""
        return f"<!-- {self.mark}: made by python -m tests.typing.rewrite -->\n"

    def shown(self) -> str:
        """What the page holds now."""
        return self.page.read_text(encoding="utf-8").partition(self.begin)[2].partition(END)[0]

    def rewrite(self) -> None:
        """Put it between its marks."""
        before, mark, rest = self.page.read_text(encoding="utf-8").partition(self.begin)
        if not mark or END not in rest:
            raise ValueError(f"{self.page} has no part {self.mark!r}")
        self.page.write_text(before + mark + self.text() + END + rest.partition(END)[2], encoding="utf-8")


def ten_mistakes() -> str:
    """The ten most common mistakes with the real messages."""
    named = {program.file.stem: program for program in negatives()}
    return "\n".join(_mistake(number, title, named[name]) for number, (name, title) in enumerate(TEN.items(), 1))


def kinds() -> str:
    """Return the kinds of mistakes that everyone finds as lists, and a table of the others."""
    by_kind: dict[str, list[Program]] = {}
    for program in negatives():
        by_kind.setdefault(program.kind, []).append(program)
    by_all, by_checkers, rows = list[str](), list[str](), list[list[str]]()
    for kind, programs in by_kind.items():
        missed = {judge for judge in JUDGES if any(program.accepted_by(judge) for program in programs)}
        if not missed:
            by_all.append(kind)
        elif missed == {"python"} and all(program.accepted_by("python") for program in programs):
            by_checkers.append(kind)
        else:
            rows.append([kind, str(len(programs)), *(_found(programs, judge) for judge in JUDGES)])
    everything = negatives()
    rows.append(["**all kinds**", str(len(everything)), *(_found(everything, judge) for judge in JUDGES)])
    parts = (
        f"**Found by all checkers and by Python:** {_listed(by_all)}",
        f"**Found by all checkers, not by Python:** {_listed(by_checkers)}",
        f"The other kinds:\n\n{_table(['kind of mistake', 'programs', *HEADS], rows)}",
    )
    return "\n\n".join(parts)


def _listed(kinds: Sequence[str]) -> str:
    return textwrap.fill("; ".join(kinds) + ".", 118, break_long_words=False, break_on_hyphens=False)


def differences() -> str:
    """Why checkers say different things about the same program, and how often."""
    missed, alarms = dict[str, dict[str, int]](), dict[str, dict[str, int]]()
    for program in [*negatives(), *positives()]:
        for who, reason in program.reasons():
            for judge in who:
                counted = (missed if program.wrong else alarms).setdefault(reason, {})
                counted[judge] = counted.get(judge, 0) + 1
    parts = []
    for title, told in (("lets pass", missed), ("rejects", alarms)):
        rows = [[reason, *(str(counted.get(judge, "")) for judge in JUDGES)] for reason, counted in told.items()]
        rows.sort(key=lambda row: -sum(int(cell or 0) for cell in row[1:]))
        parts.append(_table([f"{title} because", *HEADS], rows))
    return "\n".join(parts)


PARTS = (
    Part(HOW_TO, "messages", ten_mistakes),
    Part(MISTAKES, "kinds", kinds),
    Part(MISTAKES, "differences", differences),
)


def _mistake(number: int, title: str, program: Program) -> str:
    told = []
    for judge, speaker in SPEAKERS.items():
        lines = ["    (builds)" if judge == "python" else "    (no objection)"]
        if program.said[judge] != OK:
            lines = [textwrap.fill(one, 110, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False)
                     for one in program.said[judge]]  # fmt: skip
        told.append("\n".join([f"{speaker}:", *lines]))
    block = ["<!-- no-run: a mistake -->", "```python", program.code.rstrip(), "```", "```text", *told, "```"]
    return "\n".join([f"### {number}. {title}", "", *block, ""])


def _found(programs: Sequence[Program], judge: str) -> str:
    found = sum(not program.accepted_by(judge) for program in programs)
    return "all" if found == len(programs) > 1 else "yes" if found == len(programs) else str(found or "no")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
