"""`python -m tests.typing.rewrite` brings the programs and the pages about them up to date."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.typing.checkers import reports, texts
from tests.typing.pages import PARTS
from tests.typing.programs import CHECKERS, negatives, positives, said_by_python


def main() -> None:
    """Write what is said now; `why` stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        found = reports(Path(folder))
    for program in [*negatives(), *positives()]:
        why = program.said.get("why", [])
        program.said = {judge: texts(found[judge], program.file.stem) for judge in CHECKERS}
        program.said |= {"python": said_by_python(program), "why": why}
        program.file.write_text(program.whole(), encoding="utf-8")
    for part in PARTS:
        part.rewrite()


if __name__ == "__main__":
    main()
