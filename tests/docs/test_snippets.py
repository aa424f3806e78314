"""Every Python block of README.md and docs/ runs and prints its expected output.

The blocks of one file run in order, in one namespace, as one script in an empty folder. `website/blocks.py` describes
the comments in the text.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT
from website.blocks import blocks

README = ROOT / "README.md"
FILES = [*([README] if README.exists() else []), *sorted((ROOT / "docs").rglob("*.md"))]
SECONDS = 100

# Run blocks given as [line, code, run] in `__main__`, as in a reader's script, without other names there. A
# `from __future__` of one block applies to those after it. The mark precedes the output of a block.
RUNNER = """
def _run():
    import __future__, json, sys
    file, mark, blocks = json.loads(sys.stdin.read())
    flags = 0
    for line, code, run in blocks:
        compiled = compile("\\n" * line + code, file, "exec", flags, dont_inherit=True)
        flags |= compiled.co_flags & __future__.annotations.compiler_flag
        print(mark, flush=True)
        if run:
            exec(compiled, globals())
        sys.stdout.flush()

if __name__ == "__main__":
    _run()
"""


def test_readme_is_there() -> None:
    assert README.exists()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_blocks_run_and_print_what_they_say(file: Path, tmp_path: Path) -> None:
    assert_runs(file, tmp_path)


GOOD = """
```python
from __future__ import annotations
x: Later = 1
```
Text, and a block in a list:
  ```python
  def show(y: Unknown) -> None:
      print(x, __name__)
  show(2)
  ```
<!-- output -->
  ```text
  1 __main__
  ```
<!-- no-run: it would never end -->
```python
while True: pass
```
````markdown
```python
not looked at
```
````
"""


def test_good_file_passes(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text(GOOD)
    assert_runs(tmp_path / "good.md", tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\nprint(1)\n```\n<!-- output -->\n```text\n2\n```", r"(?s)bad\.md:2: prints.*'1'.*'2'"),
        ("```python\njson\n```", r"(?s)bad\.md\", line 2.*NameError"),
        ("```python\n1 / 0\n```", r"(?s)bad\.md\", line 2.*ZeroDivisionError"),
        ("```python\nimport os; os._exit(0)\n```\n```python\n```", r"only 1 of 2 blocks"),
        ("<!-- no-run: shows a mistake -->\n```python\n1 +\n```", r"(?s)bad\.md\", line 3.*SyntaxError"),
        ("<!-- no-run -->\n```python\n```", r"bad\.md:1: no-run needs a reason"),
        ("<!-- output -->\n```text\n```", r"bad\.md:1: .* does not follow a Python block"),
        ("```python\n```\n<!-- output -->\ntext", r"bad\.md:3: .* does not stand right before"),
        ("text\n```python\n", r"bad\.md:2: fence is not closed"),
    ],
)
def test_bad_file_is_found(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "bad.md").write_text(text)
    with pytest.raises(AssertionError, match=complaint):
        assert_runs(tmp_path / "bad.md", tmp_path)


def assert_runs(file: Path, folder: Path) -> None:
    """Run the blocks of one file in one process and compare what they print."""
    found = list(blocks(file))
    if not found:
        return
    mark = f"=== {os.urandom(8).hex()}"
    scratch = folder / "scratch"
    scratch.mkdir()
    (scratch / "snippets.py").write_text(RUNNER)
    result = subprocess.run(
        [sys.executable, "snippets.py"],
        input=json.dumps([str(file), mark, [(block.line, block.code, block.runs) for block in found]]),
        capture_output=True,
        cwd=scratch,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    before, *printed = result.stdout.split(mark + "\n")
    assert before == ""
    assert len(printed) == len(found), f"only {len(printed)} of {len(found)} blocks were reached\n{result.stderr}"
    for block, text in zip(found, printed, strict=True):
        if block.output is not None:
            shown, expected = text.rstrip("\n"), block.output.rstrip("\n")
            assert shown == expected, f"{file.name}:{block.line + 1}: prints\n{shown!r}\ninstead of\n{expected!r}"
