"""The architecture, read from the syntax trees of the package: which layer may import which, and a few rules for files.

Nothing of daglite is imported here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = {
    file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in sorted(ROOT.glob("daglite/**/*.py"))
}
AROUND = sorted(file for folder in ("tests", "examples", "benchmarks") for file in (ROOT / folder).rglob("*.py"))

# Every unit of the package and the units that it imports, lowest first: a unit imports only units above it in this
# list, so the imports have no circle. A unit is a module or a folder; the folders of daglite/runtime are its layers,
# each a unit of its own. "compile" is daglite/compile/__init__.py, "compile inside" the rest of that folder.
# `annotations`, `lazy` and `records` are tools that every unit may import.
IMPORTS: dict[str, str] = {
    "annotations": "",
    "lazy": "",
    "records": "",
    "aggregations": "",
    "short_repr": "",
    "mypy_plugin": "",
    "runtime.transport": "",
    "exceptions": "",
    "operations": "exceptions short_repr",
    "failed": "exceptions",
    "iterables": "exceptions",
    "retry": "exceptions",
    "task_context": "exceptions",
    "functions": "exceptions retry",
    "keys": "exceptions functions",
    "tokens": "functions retry",
    "options": "exceptions functions keys",
    "datasets": "exceptions keys options",
    "ir": "functions operations options tokens",
    "program": "functions operations options",
    "scaling": "options",
    "binding": "exceptions functions ir",
    "codegen": "functions program",
    "events": "program",
    "fingerprint": "functions operations options program tokens",
    "compile inside": "binding exceptions functions ir keys operations options program",
    "explain": "codegen fingerprint functions operations options program retry short_repr",
    "partitions": "binding exceptions ir",
    "run_options": "events exceptions functions options",
    "observe": "events exceptions explain options program run_options scaling short_repr",
    "runtime.serialization": "codegen exceptions failed functions runtime.transport",
    "runtime.kernel": "codegen events exceptions failed functions program runtime.serialization runtime.transport "
    "task_context",
    "runtime.engines": "events exceptions failed functions options run_options runtime.kernel runtime.serialization "
    "runtime.transport scaling task_context",
    "runtime.dataflow": "events exceptions functions keys operations options program runtime.engines runtime.kernel "
    "runtime.serialization task_context",
    "runtime.local": "codegen events exceptions runtime.dataflow runtime.engines runtime.kernel runtime.serialization "
    "runtime.transport task_context",
    "runtime.metrics": "events program runtime.dataflow runtime.engines",
    "runtime.scheduler": "events exceptions functions operations options program run_options runtime.dataflow "
    "runtime.engines runtime.kernel runtime.local runtime.metrics runtime.serialization task_context",
    "runtime": "runtime.engines",
    "plan": "datasets exceptions explain failed fingerprint observe options program run_options runtime.engines "
    "runtime.kernel runtime.scheduler short_repr",
    "compile": "binding exceptions functions options plan run_options",
    "futures": "aggregations binding compile datasets exceptions failed functions ir iterables keys options "
    "run_options",
    "tasks": "binding exceptions failed functions futures ir partitions retry",
    "daglite": "compile datasets events exceptions failed futures ir observe plan retry runtime task_context tasks",
    "cli": "binding compile exceptions explain functions futures observe options plan run_options runtime.engines "
    "tasks",
    "testing": "binding compile exceptions functions futures operations plan runtime.kernel "
    "runtime.serialization tasks",
    "__main__": "cli",
}
ALLOWED = {
    unit: set(f"{units} annotations lazy records".replace("compile inside", "compile_inside").split())
    for unit, units in IMPORTS.items()
}
# Each of these libraries is imported in one file only.
ONE_FILE = {
    "dill": "daglite/runtime/serialization/dill_fallback.py",
    "distributed": "daglite/runtime/engines/clusters/dask.py",
    "multiprocess": "daglite/runtime/engines/processes/start.py",
    "ray": "daglite/runtime/engines/clusters/ray.py",
}
COMPILE_SUBMODULES = {file.stem for file in (ROOT / "daglite" / "compile").iterdir() if file.stem[0] != "_"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# About 300 lines are wanted; a module of more than this is to be split by its ideas.
MOST_LINES = 600


def test_units_are_listed_lowest_first() -> None:
    order = list(IMPORTS)
    wrong = [(unit, used) for unit in order for used in ALLOWED[unit] - {unit} if order.index(used) > order.index(unit)]
    assert not [pair for pair in wrong if pair[1] not in ("annotations", "lazy", "records")]


def test_every_module_imports_only_what_its_unit_may() -> None:
    assert list(breaches(PACKAGE)) == []


def test_every_listed_import_exists() -> None:
    used = {(unit_of(name), unit_of(module)) for name, source in PACKAGE.items() for module in own_imports(source)}
    listed = {(unit, target) for unit, units in IMPORTS.items() for target in units.split()}
    assert listed - used == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(module_graph(PACKAGE)) == []


def test_every_file_keeps_the_rules() -> None:
    around = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in AROUND}
    found = [f"{name}: {text}" for name, source in {**PACKAGE, **around}.items() for text in complaints(source)]
    assert found == []


@pytest.mark.parametrize(
    ("name", "source", "breach"),
    [
        ("exceptions", "from daglite.keys import parse", "exceptions may not import keys"),
        ("runtime/scheduler/execution", "from daglite.ir.nodes import Node", "runtime.scheduler may not import ir"),
        ("runtime/dataflow/source", "import daglite.runtime.scheduler.execution", "may not import runtime.scheduler"),
        ("runtime/kernel/batch", "from daglite.runtime.engines.base import Engine", "may not import runtime.engines"),
        ("runtime/kernel/batch", "run = lazy('daglite.runtime.engines.base')", "may not import runtime.engines"),
        (
            "runtime/transport/frames",
            "if TYPE_CHECKING:\n    from daglite.runtime.kernel import batch",
            "may not import",
        ),
        ("compile/driver", "import daglite.runtime.scheduler", "compile inside may not import runtime"),
        ("compile/driver", "from daglite.plan import Plan", "compile inside may not import plan"),
        ("compile/__init__", "from daglite.futures import Future", "compile may not import futures"),
        ("plan", "from daglite import task", "plan may not import daglite"),
        ("mypy_plugin/calls", "from daglite.binding import fix", "mypy_plugin may not import binding"),
        ("utils", "", "no unit is called utils"),
        ("runtime/utils/text", "", "no unit is called runtime.utils"),
        ("keys", "import dill", "dill is imported by daglite/runtime/serialization/dill_fallback.py only"),
        ("keys", "dill = lazy('dill')", "dill is imported by daglite/runtime/serialization/dill_fallback.py only"),
        ("keys", "from mypy.types import Type", "mypy is imported by its plugin only"),
        ("keys", "x = 1", "does not begin with from __future__ import annotations"),
    ],
)
def test_a_breach_is_found(name: str, source: str, breach: str) -> None:
    assert any(breach in text for text in breaches({f"daglite/{name}.py": source}))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def f():\n    import re", "line 2: import inside a function"),
        ("class A:\n    async def f(self):\n        if self:\n            from re import sub", "import inside"),
        ("from . import nodes", "relative import"),
        ("from daglite.compile import driver", "write `from daglite.compile.driver"),
        ("import daglite.compile.rules.fuse", "write `from daglite.compile.rules"),
        ("\n" * (MOST_LINES + 1), f"more than {MOST_LINES} lines"),
        ("__all__ = ['b', 'a']", "__all__ is not sorted"),
    ],
)
def test_a_broken_rule_is_found(source: str, complaint: str) -> None:
    assert any(complaint in text for text in complaints(source))


def test_a_circle_is_found() -> None:
    sources = {"daglite/a.py": "import daglite.b", "daglite/b.py": "c = lazy('daglite.c')"}
    assert circles(module_graph(sources)) == []
    assert circles(module_graph({**sources, "daglite/c.py": "from daglite import a"})) == [["a", "b", "c"]]


def breaches(sources: Mapping[str, str]) -> Iterator[str]:
    """What modules import against the lists above."""
    for name, source in sources.items():
        unit, tree = unit_of(name), ast.parse(source)
        if unit not in IMPORTS:
            yield f"{name}: no unit is called {unit}; give it a line in IMPORTS"
            continue
        statements = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
        if statements and ast.unparse(statements[0]) != "from __future__ import annotations":
            yield f"{name}: does not begin with from __future__ import annotations"
        for node, module in imports(tree):
            target, library = unit_of(module), module.partition(".")[0]
            if ONE_FILE.get(library, name) != name:
                yield f"{name}:{node.lineno}: {library} is imported by {ONE_FILE[library]} only"
            if library == "mypy" and unit != "mypy_plugin":
                yield f"{name}:{node.lineno}: mypy is imported by its plugin only"
            if (
                library == "daglite"
                and target != unit
                and target.replace(" ", "_") not in ALLOWED[unit]
                and not (target == "compile inside" and unit == "compile")
            ):
                yield f"{name}:{node.lineno}: {unit} may not import {target}"


def complaints(source: str) -> Iterator[str]:
    """What any Python file of the project does against the rules for files."""
    tree = ast.parse(source)
    if source.count("\n") > MOST_LINES:
        yield f"more than {MOST_LINES} lines"
    inside = {id(node) for outer in ast.walk(tree) if isinstance(outer, FUNCTIONS) for node in ast.walk(outer)}
    submodules = list[tuple[int, str]]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) in inside:
            yield f"line {node.lineno}: import inside a function"
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
    """Every absolute import, at once, with `lazy` or for type checkers only, with the dotted name it asks for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in names if is_module(name)]
            yield from ((node, name) for name in modules)
            if len(modules) < len(names):
                yield node, node.module
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "lazy":
            yield from ((node, str(ast.literal_eval(name))) for name in node.args[:1] if isinstance(name, ast.Constant))


def own_imports(source: str) -> Iterator[str]:
    """The modules of daglite that a source imports."""
    yield from (module for _, module in imports(ast.parse(source)) if module.partition(".")[0] == "daglite")


def is_module(dotted: str) -> bool:
    """Whether a name of daglite is a module of the package."""
    return dotted.startswith("daglite.") and (
        path_of(dotted) in PACKAGE or f"{path_of(dotted)[:-3]}/__init__.py" in PACKAGE
    )


def path_of(dotted: str) -> str:
    """The file of a dotted name."""
    return dotted.replace(".", "/") + ".py"


def unit_of(name: str) -> str:
    """The unit of a file ("daglite/ir/walk.py") or a dotted name ("daglite.ir.walk")."""
    parts = name.removesuffix(".py").replace("/", ".").removesuffix(".__init__").split(".")[1:]
    if not parts:
        return "daglite"
    if parts[0] == "compile" and parts[1:]:
        return "compile inside"
    return ".".join(parts[:2]) if parts[0] == "runtime" else parts[0]


def module_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """The modules that each module imports, by their dotted names without `daglite.`."""
    modules = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): source for name, source in sources.items()
    }
    graph = dict[str, set[str]]()
    for module, source in modules.items():
        found = set[str]()
        for node, asked in imports(ast.parse(source)):
            names = [f"{asked}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else [asked]
            found |= {name if name in modules else asked for name in names} & modules.keys()
        graph[module.removeprefix("daglite.")] = {name.removeprefix("daglite.") for name in found - {module}}
    return graph


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The groups of modules of which each reaches each other, sorted."""
    reached = {module: reachable(graph, module) for module in graph}
    groups = {
        frozenset(other for other in found if module in reached.get(other, ()))
        for module, found in reached.items()
        if module in found
    }
    return sorted(sorted(group) for group in groups)


def reachable(graph: Mapping[str, Iterable[str]], start: str) -> set[str]:
    """The modules that a module imports, directly or through others."""
    found, waiting = set[str](), [*graph.get(start, ())]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(graph.get(module, ()))
    return found
