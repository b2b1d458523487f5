"""Compiles the hot loops with numba, and remembers the machine code on disk where some folder can be written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from maskfold.commands import ROOT_VARIABLE

_PACKAGE = Path(__file__).parents[1]


def _code_folder() -> Path:
    """Where the machine code of the sources as they are now is kept.

    numba forgets a function's code when its own file changes, but not when that of a function it calls does, and would
    run on with the old one; so every state of the compiled sources has a folder of its own.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if b"maskfold.execution.compiled import" in source:
            digest.update(source)
    root = os.environ.get(ROOT_VARIABLE)  # an installed package leaves nothing behind in its environment
    usual = Path(__file__).parent / "__pycache__" if root is None else Path(root, "runs", ".compiled")
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or usual)
    return base / f"compiled-{digest.hexdigest()[:16]}"


def _prepare_code_folder() -> bool:
    """Point numba at the folder; False where it cannot be written, as in a read-only installation."""
    folder = _code_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    if not os.access(folder, os.W_OK):
        return False
    vars(numba.config)["CACHE_DIR"] = str(folder)
    return True


_REMEMBERED = _prepare_code_folder()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as machine code that runs without the interpreter lock, so that threads share the work.

    Only the first start compiles, unless the code can be kept nowhere (NUMBA_CACHE_DIR names another place to keep it).
    """
    return numba.njit(nogil=True, cache=_REMEMBERED)(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A small part of a hot loop, copied into the compiled functions that call it.

    A real call counts references of every array it is handed, with atomic instructions.
    """
    return numba.njit(nogil=True, inline="always")(function)
