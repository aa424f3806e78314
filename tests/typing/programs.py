"""The programs that checkers and Python are asked about; one file each, with what was said to it.

Each of `negative/` makes one mistake, in one of its statements; those of `positive/` have to be accepted.
Such a file is a docstring with its name, the program, and what each judge says to it, `ok` or a message:

    '''Call with an unknown name: misspelt.'''    what comes before the colon is the kind of mistake
    ...
    scale(x=1.0, fcator=2.0)

    # mypy     ...
    # plugin   ...                                mypy with `daglite.mypy_plugin`
    # pyright  ...
    # pyrefly  ...
    # ty       ...
    # python   ...                                raised when the program runs
    # why      ty: ...                            why some judges say something else than the plugin, by judge

`python -m tests.typing.rewrite` writes what they say now into the files; the difference is then read like code.
"""

from __future__ import annotations

import ast
import io
import re
import traceback
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NEGATIVE, POSITIVE = HERE / "negative", HERE / "positive"
CHECKERS = ("mypy", "plugin", "pyright", "pyrefly", "ty")
JUDGES = (*CHECKERS, "python")
# Mistakes in values, not in names or shapes: building does not compare types, so Python may let them pass.
OF_VALUES = ("[arg-type]", "[assignment]", "[list-item]", "[no-any-return]")
OK = ["ok"]
_VERDICT = re.compile(rf"# ({'|'.join(JUDGES)}|why) +(.*)")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass
class Program:
    """One program, and what was said to it by judge; `text` is its file without that."""

    file: Path
    text: str
    said: dict[str, list[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it shows, from its docstring."""
        title = (ast.get_docstring(ast.parse(self.text)) or "").removesuffix(".")
        return title[:1].lower() + title[1:]

    @property
    def kind(self) -> str:
        """The kind of mistake."""
        return self.name.partition(":")[0]

    @property
    def slug(self) -> str:
        """What its file has to be called."""
        return re.sub(r"\W+", "_", self.name)

    @property
    def wrong(self) -> bool:
        """Whether it is here for a mistake."""
        return self.file.parent == NEGATIVE

    @property
    def code(self) -> str:
        """The program without its docstring and imports."""
        body = ast.parse(self.text).body
        first = next(node for node in body[1:] if not isinstance(node, ast.Import | ast.ImportFrom))
        # A decorated definition begins with its first decorator.
        begin = min([first.lineno, *(one.lineno for one in getattr(first, "decorator_list", []))])
        return "\n".join(self.text.splitlines()[begin - 1 :])

    def statement(self, line: int) -> int:
        """The number of the statement that holds a line."""
        ends = [node.end_lineno or node.lineno for node in ast.parse(self.text).body]
        return sum(end < line for end in ends)

    def accepted_by(self, judge: str) -> bool:
        """Whether a judge has nothing against it."""
        return self.said[judge] == OK

    def differing(self) -> list[str]:
        """The judges who do not say what the plugin says, for other reasons than that Python does not look at values.

        It raises a mistake of value only where it cannot build without seeing it.
        """
        plugin = self.accepted_by("plugin")
        differ = [judge for judge in JUDGES if self.accepted_by(judge) != plugin]
        of_values = not plugin and all(one.endswith(OF_VALUES) for one in self.said["plugin"])
        return [judge for judge in differ if judge != "python" or not of_values]

    def reasons(self) -> list[tuple[list[str], str]]:
        """Why judges differ: who they are, and the reason."""
        told = (one.partition(": ") for one in self.said.get("why", []))
        return [(who.split(", "), reason) for who, _, reason in told]

    def whole(self) -> str:
        """The file."""
        verdicts = [f"# {judge:<8} {one}" for judge in (*JUDGES, "why") for one in self.said.get(judge, [])]
        return "\n".join([self.text, *verdicts, ""])


def read(file: Path) -> Program:
    """The program of a file."""
    program, code = Program(file, ""), list[str]()
    for line in file.read_text(encoding="utf-8").splitlines():
        if match := _VERDICT.fullmatch(line):
            program.said.setdefault(match[1], []).append(match[2])
        else:
            code.append(line)
    program.text = "\n".join(code).rstrip("\n") + "\n"
    return program


def negatives() -> list[Program]:
    """The mistakes."""
    return [read(file) for file in sorted(NEGATIVE.glob("*.py"))]


def positives() -> list[Program]:
    """The programs that the plugin and Python accept."""
    return [read(file) for file in sorted(POSITIVE.glob("*.py"))]


def said_by_python(program: Program) -> list[str]:
    """The first line of what the program raises; of an error of Python itself only the type, for texts change."""
    # Not a module that can be imported, so that its functions travel by value.
    scope: dict[str, object] = {"__name__": program.file.stem}
    try:
        with redirect_stdout(io.StringIO()):
            exec(compile(program.text, program.file.name, "exec"), scope)
    except Exception as error:
        *_, last = traceback.walk_tb(error.__traceback__)
        if not Path(last[0].f_code.co_filename).is_relative_to(ROOT / "daglite"):
            return [type(error).__name__]
        first = str(error).splitlines()[0]
        return [f"{type(error).__name__}: {_ADDRESS.sub('', first)}"]
    return OK
