"""What a folder may be: one way to read it, with what each folder, column and value was taken for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Proposal:
    """One way to read a folder.

    words: the end of the sentence "taken for …"; section: the keys of the data section, without root; notes: one line
    for each folder, column and value, with counts.
    """

    words: str
    section: dict[str, object]
    notes: tuple[str, ...] = ()


def counted(number: int, noun: str) -> str:
    """3 masks, 1 mask."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(names: list[str], most: int = 8) -> str:
    """The first names, comma separated, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
