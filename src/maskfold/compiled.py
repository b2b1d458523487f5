"""Compiles the hot loops with numba, and remembers the machine code on disk where some folder can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as machine code that runs without the interpreter lock, so that threads share the work.

    The code is kept in __pycache__, else in the user's cache folder (or NUMBA_CACHE_DIR), so only the first start
    compiles; where no such folder can be written every start does.
    """
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no folder to keep the code in
        return numba.njit(nogil=True)(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A small part of a hot loop, copied into the compiled functions that call it.

    A real call counts references of every array it is handed with atomic instructions: measured, five times slower.
    """
    return numba.njit(nogil=True, inline="always")(function)
