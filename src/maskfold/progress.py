"""Progress bars with time left, on a terminal only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def tracked(items: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    """The items, with a bar that shows how many of `total` are done and the time left; silent into a file or pipe."""
    console = Console(stderr=True)
    yield from track(items, title, total=total, console=console, transient=True, disable=not console.is_terminal)
