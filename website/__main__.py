"""The command `python -m website`: collect the pages in build/docs, build build/site and check it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from website.built import complaints
from website.pages import lay_out
from website.pictures import ROOT

__all__ = ["main"]

PAGES, SITE = ROOT / "build" / "docs", ROOT / "build" / "site"


def main() -> int:
    """Run the command; return 1 for a site with a fault."""
    lay_out(PAGES)
    shutil.rmtree(SITE, ignore_errors=True)
    generator = Path(sys.executable).with_name("zensical")
    built = subprocess.run([generator, "build", "--strict", "--clean"], cwd=ROOT, check=False)
    if built.returncode:
        return 1
    found = list(complaints(SITE))
    print("\n".join(found or [f"the site is in {SITE.relative_to(ROOT)}; begin with index.html"]))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
