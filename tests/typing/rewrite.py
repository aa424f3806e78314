"""`python -m tests.typing.rewrite` brings the table and the page up to date."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.typing.messages import PAGE, chapter, rewrite
from tests.typing.programs import CASES, JUDGES, programs, said_by_checkers, said_by_python, table


def main() -> None:
    """Write what the four say now; `why` stays as it is."""
    # A new folder each time: what mypy has cached it words differently.
    with tempfile.TemporaryDirectory() as folder:
        said = said_by_checkers(Path(folder), table())
    for file in sorted(CASES.glob("*.txt")):
        listed = programs(file)
        for program in listed:
            why = program.said.get("why")
            program.said = {judge: said[judge].get(program.module, ["ok"]) for judge in JUDGES[:3]}
            program.said["python"] = said_by_python(program)
            program.said |= {"why": why} if why else {}
        file.write_text("\n".join(program.text() for program in listed), encoding="utf-8")
    rewrite(PAGE, chapter(table()))


if __name__ == "__main__":
    main()
