"""One module for each claim about speed, memory or quality; `python benchmarks/run.py` runs them (docs/results.md)."""

import sys
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[1]
for _folder in ("src", "tests"):  # the library, and what tests and benchmarks share
    if str(_REPOSITORY / _folder) not in sys.path:
        sys.path.insert(0, str(_REPOSITORY / _folder))
