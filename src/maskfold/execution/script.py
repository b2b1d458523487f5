"""What a script of this repository begins with, before its other imports."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from maskfold.execution.signals import end_early


def is_script(scripts: Path) -> bool:
    """Whether this process is a script of that folder, or predict.py of a bundle; no child process, nor other code."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if main.__name__ != "__main__" or file is None:
        return False
    return Path(file).resolve().parent == scripts or Path(file).resolve() == scripts.parent / "predict.py"


def begin_script() -> None:
    """Let signals end this process with one sentence, and no character of its output stop it.

    A terminal of latin-1 shows `\\u2026` for what it lacks.
    """
    end_early()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
