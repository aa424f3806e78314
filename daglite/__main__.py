"""`python -m daglite`: the same as the command `daglite`."""

from __future__ import annotations

import sys

from daglite.cli import main

if __name__ == "__main__":
    sys.exit(main())
