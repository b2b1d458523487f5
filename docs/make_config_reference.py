"""Write docs/reference/config.md from the docstrings of the config's sections. For developers; a test keeps it current.

python docs/make_config_reference.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from maskfold.config import REPOSITORY
from maskfold.config.reference import markdown

if __name__ == "__main__":
    (REPOSITORY / "docs/reference/config.md").write_text(markdown(), encoding="utf-8")
