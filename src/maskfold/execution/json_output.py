"""The result of a script as JSON: with --json standard output gets nothing else, and all other lines go to stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any, TextIO

_result_stream: TextIO | None = None


def begin_json() -> None:
    """From now on, write everything to standard error, child processes too, but what `give_json` gets."""
    global _result_stream
    if _result_stream is None:
        sys.stdout.flush()
        _result_stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)


def give_json(value: Any) -> None:
    """Write a result as one line of JSON, where --json was given; numbers that are not finite are null."""
    if _result_stream is not None:
        print(json.dumps(_finite(value), ensure_ascii=False), file=_result_stream, flush=True)


def files_of(folder: Path) -> list[str]:
    """The page and the tables of an audit's folder."""
    return [str(folder / "index.html"), *map(str, sorted(folder.glob("*.csv")))]


def _finite(value: Any) -> Any:
    """The same value with null in place of NaN and infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
