"""The house rules that no linter knows: who may import whom, and where. Looks at the syntax trees, imports nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = sorted((ROOT / "daglite").rglob("*.py"))
AROUND = sorted(file for folder in ("tests", "examples", "benchmarks") for file in (ROOT / folder).rglob("*.py"))

# A room is a module or a folder of daglite; "compile" is the file compile/__init__.py, "compile inside" the rest of
# that folder, "face" is daglite/__init__.py. A room may always import itself.
_BUILDING = {"compile", "ir", "datasets", "keys", "functions", "binding", "options", "exceptions", "failed", "retry"}
_BUILDING |= {"folding", "operations", "reading"}
MAY_IMPORT: dict[str, set[str]] = {
    "exceptions": set(),
    "lazy": set(),
    "records": set(),
    "shorten": set(),
    "folding": set(),
    "operations": set(),
    "reading": {"exceptions"},
    "retry": {"exceptions"},
    "failed": {"exceptions"},
    "here": {"exceptions"},
    "functions": {"exceptions", "retry"},
    "keys": {"exceptions", "functions"},
    "capacity": {"options"},
    "options": {"exceptions", "functions", "keys"},
    "tokens": {"exceptions", "functions", "retry"},
    "program": {"exceptions", "functions", "keys", "operations", "options"},
    "loop": {"functions", "program"},
    "datasets": {"exceptions", "keys", "options"},
    "ir": {"exceptions", "functions", "keys", "operations", "options", "tokens"},
    "events": {"program"},
    "binding": {"exceptions", "functions", "ir"},
    "sameness": {"functions", "options", "program", "tokens"},
    "explain": {"functions", "loop", "operations", "options", "program", "retry", "sameness", "shorten"},
    "observe": {"capacity", "events", "exceptions", "explain", "options", "program", "shorten"},
    "runtime": {
        "capacity",
        "events",
        "exceptions",
        "failed",
        "functions",
        "here",
        "keys",
        "loop",
        "options",
        "program",
    },
    "plan": {
        "datasets",
        "exceptions",
        "explain",
        "failed",
        "observe",
        "options",
        "program",
        "runtime",
        "sameness",
        "shorten",
    },
    "compile inside": {
        "binding",
        "exceptions",
        "functions",
        "ir",
        "keys",
        "operations",
        "options",
        "program",
        "tokens",
    },
    "compile": {"binding", "compile inside", "exceptions", "functions", "options", "plan"},
    "partitions": {"binding", "exceptions", "ir"},
    "tasks": _BUILDING | {"futures", "partitions", "plan"},
    "futures": _BUILDING | {"tasks", "plan"},
}
MAY_IMPORT["face"] = set(MAY_IMPORT)
MAY_IMPORT["cli"] = {"binding", "compile", "exceptions", "explain", "functions", "futures", "options"}
MAY_IMPORT["cli"] |= {"observe", "plan", "runtime", "tasks"}
MAY_IMPORT["__main__"] = {"cli"}
MAY_IMPORT["testing"] = {"binding", "compile", "exceptions", "functions", "futures", "plan", "runtime", "tasks"}
# They know nothing of daglite, and stand in every room.
TOOLS = {"lazy", "records"}
# It runs inside mypy, without daglite, and daglite runs without mypy.
MAY_IMPORT["mypy_plugin"] = set()
# What builds and what is built name each other in their annotations. Others import for the checkers only what they load
# with `lazy("daglite.x")`, which counts as an import of theirs.
NAME_EACH_OTHER = {"tasks", "futures", "plan", "compile"} | {"options", "events"}
# These may only be named, never imported for real: it would be a circle.
ONLY_FOR_CHECKERS = {"compile": {"futures"}, "options": {"events"}}
ONLY_IN = {
    "dill": "daglite/runtime/serialization/dill_fallback.py",
    "multiprocess": "daglite/runtime/engines/processes/start.py",
}
ONLY_IN |= {"distributed": "daglite/runtime/engines/clusters/dask.py", "ray": "daglite/runtime/engines/clusters/ray.py"}
COMPILE_SUBMODULES = {file.stem for file in (ROOT / "daglite" / "compile").iterdir() if file.stem[0] != "_"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
MOST_LINES = 400


def test_there_is_a_house() -> None:
    assert len(PACKAGE) > 5
    assert set(ONLY_IN.values()) <= {file.relative_to(ROOT).as_posix() for file in PACKAGE}


@pytest.mark.parametrize("file", PACKAGE, ids=lambda file: str(file.relative_to(ROOT)))
def test_module_keeps_the_house_rules(file: Path) -> None:
    name, source = file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")
    complaints = [*inside(name, source), *anywhere(source)]
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("file", AROUND, ids=lambda file: str(file.relative_to(ROOT)))
def test_neighbour_keeps_the_house_rules(file: Path) -> None:
    complaints = [*anywhere(file.read_text(encoding="utf-8"))]
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize(
    ("name", "source", "complaint"),
    [
        ("exceptions", "from daglite.keys import parse", "exceptions may not import keys"),
        ("runtime/run", "from daglite.ir.nodes import Node", "runtime may not import ir"),
        ("compile/driver", "import daglite.runtime.scheduler.execution", "compile inside may not import runtime"),
        ("compile/rules/fuse", "from daglite.compile import compile", "compile inside may not import compile"),
        ("plan", "from daglite import task", "plan may not import face"),
        ("compile/driver", "from daglite.plan import Plan", "compile inside may not import plan"),
        ("compile/__init__", "from daglite.futures import Future", "compile may not import futures"),
        ("shorten", "from daglite.options import MIB", "shorten may not import options"),
        ("runtime/run", "nodes = lazy('daglite.ir.nodes')", "runtime may not import ir"),
        ("keys", "dill = lazy('dill')", "dill is imported by daglite/runtime/serialization/dill_fallback.py only"),
        ("plan", "if TYPE_CHECKING:\n    from daglite.runtime import run", "only for the checkers"),
        ("mypy_plugin/calls", "from daglite.binding import fix", "mypy_plugin may not import binding"),
        ("keys", "from mypy.types import Type", "mypy is imported by its plugin only"),
        ("utils", "", "no room called utils"),
        ("keys", "import dill", "dill is imported by daglite/runtime/serialization/dill_fallback.py only"),
        ("runtime/travel/wire", "from multiprocess.process import BaseProcess", "multiprocess is imported by"),
        ("keys", "def f():\n    import re", "import inside a function"),
        ("keys", "class A:\n    async def f(self):\n        if self:\n            from re import sub", "import inside"),
        ("ir/text", "from . import nodes", "relative import"),
        ("compile/__init__", "from daglite.compile import driver", "write `from daglite.compile.driver"),
        ("keys", "import daglite.compile.rules.fuse", "write `from daglite.compile.rules"),
        ("futures", "if TYPE_CHECKING:\n    from daglite.keys import parse", "only for the checkers"),
        ("keys", "if typing.TYPE_CHECKING:\n    from daglite.exceptions import X", "only for the checkers"),
        (
            "keys",
            "if not TYPE_CHECKING:\n    x = 1\nelse:\n    from daglite.exceptions import X",
            "only for the checkers",
        ),
        ("keys", "x = 1", "does not begin with from __future__ import annotations"),
        ("keys", "\n" * (MOST_LINES + 1), "more than 400 lines"),
        ("keys", "__all__ = ['b', 'a']", "__all__ is not sorted"),
    ],
)
def test_breach_is_found(name: str, source: str, complaint: str) -> None:
    found = [*inside(f"daglite/{name}.py", source), *anywhere(source)]
    assert any(complaint in text for text in found), found


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("keys", ""),
        ("keys", '"""Only a docstring."""'),
        ("runtime/travel/thorough", "from __future__ import annotations\nimport dill._dill"),
        ("futures", "from __future__ import annotations\nif TYPE_CHECKING:\n    from daglite.tasks import Task"),
        ("ir/walk", "from __future__ import annotations\nfrom daglite.ir.nodes import Node\n__all__ = ['A', 'a']"),
        ("compile/__init__", "from __future__ import annotations\nfrom daglite.compile.driver import compiled"),
        (
            "plan",
            "from __future__ import annotations\nif TYPE_CHECKING:\n    from daglite.runtime import run\n"
            "else:\n    run = lazy('daglite.runtime.scheduler.execution')",
        ),
        (
            "compile/__init__",
            "from __future__ import annotations\nif TYPE_CHECKING:\n    from daglite.futures import Future",
        ),
    ],
)
def test_good_manners_pass(name: str, source: str) -> None:
    assert [*inside(f"daglite/{name}.py", source), *anywhere(source)] == []


def inside(name: str, source: str) -> Iterator[str]:
    """What the file `name` of the package does against the rules."""
    tree, room = ast.parse(source), room_of(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    if room not in MAY_IMPORT:
        yield f"no room called {room}: give it a line in MAY_IMPORT"
        return
    statements = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    if statements and ast.unparse(statements[0]) != "from __future__ import annotations":
        yield "does not begin with from __future__ import annotations"
    in_functions = {id(node) for outer in ast.walk(tree) if isinstance(outer, FUNCTIONS) for node in ast.walk(outer)}
    for_checkers = {id(node) for test in ast.walk(tree) if isinstance(test, ast.If) for node in checked_only(test)}
    late = {room_of(module) for node, module in imports(tree) if isinstance(node, ast.Call)}
    for node, module in imports(tree):
        target, library = room_of(module), module.partition(".")[0]
        if id(node) in in_functions:
            yield f"line {node.lineno}: import inside a function"
        if ONLY_IN.get(library, name) != name:
            yield f"line {node.lineno}: {library} is imported by {ONLY_IN[library]} only"
        if library == "mypy" and room != "mypy_plugin":
            yield f"line {node.lineno}: mypy is imported by its plugin only"
        if library != "daglite" or room in ("face", target):
            continue
        if id(node) in for_checkers and target not in late and not {room, target} <= NAME_EACH_OTHER:
            yield f"line {node.lineno}: {room} imports {target} only for the checkers"
        named = ONLY_FOR_CHECKERS.get(room, set()) if id(node) in for_checkers else set()
        if target not in MAY_IMPORT[room] | named | TOOLS:
            yield f"line {node.lineno}: {room} may not import {target}"


def anywhere(source: str) -> Iterator[str]:
    """What any Python file of the project does against the rules."""
    tree, submodules = ast.parse(source), list[tuple[int, str]]()
    if source.count("\n") > MOST_LINES:
        yield f"more than {MOST_LINES} lines"
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(level=level) if level:
                yield f"line {node.lineno}: relative import"
            case ast.ImportFrom(module="daglite.compile"):
                submodules += [(node.lineno, alias.name) for alias in node.names if alias.name in COMPILE_SUBMODULES]
            case ast.Import():
                names = [alias.name.split(".") for alias in node.names]
                submodules += [
                    (node.lineno, parts[2]) for parts in names if parts[:2] == ["daglite", "compile"] and parts[2:]
                ]
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List() | ast.Tuple() as listed):
                exported = ast.literal_eval(listed)
                if list(exported) != sorted(exported):
                    yield f"line {node.lineno}: __all__ is not sorted"
            case _:
                pass
    for line, submodule in submodules:
        yield f"line {line}: write `from daglite.compile.{submodule} import ...`; checkers confuse the other forms"


def imports(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom | ast.Call, str]]:
    """Every absolute import, at once or with `lazy`, with the dotted name it reaches for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            yield node, node.module
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "lazy":
            yield from ((node, str(ast.literal_eval(name))) for name in node.args[:1] if isinstance(name, ast.Constant))


def room_of(module: str) -> str:
    """The room of a dotted name; the name of a package stands for its `__init__`."""
    first, _, rest = module.removeprefix("daglite").removeprefix(".").partition(".")
    return "face" if not first else "compile inside" if first == "compile" and rest else first


def checked_only(test: ast.If) -> Iterator[ast.AST]:
    """What stands under `if TYPE_CHECKING:` or in the other branch of `if not TYPE_CHECKING:`."""
    match test.test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            branch = test.body
        case ast.UnaryOp(op=ast.Not(), operand=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            branch = test.orelse
        case _:
            return
    for statement in branch:
        yield from ast.walk(statement)
