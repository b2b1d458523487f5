"""A function of a benchmark in a process of its own: for memory, for another environment, for a cold start."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).resolve().parents[2]


def alone(function: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None = None) -> Any:
    """What a function returns in a new process.

    function: at the top level of a module of benchmarks; it takes and returns what JSON can hold.
    Raises RuntimeError with the output of a process that fails.
    """
    call = json.dumps([function.__module__, function.__name__, arguments], default=str)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measuring.alone", call],
        cwd=_REPOSITORY,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{function.__module__}.{function.__name__} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    module, name, given = json.loads(sys.argv[1])
    print("\n" + json.dumps(getattr(importlib.import_module(module), name)(*given)))
