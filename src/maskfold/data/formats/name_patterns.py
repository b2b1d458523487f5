"""Patterns of file names: {stem}, {name}, {class} and *, matched against paths below a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from maskfold.data.images.suffixes import SUFFIXES, UNREAD
from maskfold.errors import DataError

# Any text within a name, but not the rest of a number or a word: 1* is 1_a, not 12.
_ANY = r"(?:(?<=\d)(?!\d)|(?<=[^\W\d_])(?![^\W\d_])|(?<![^\W_]))[^/]*"


class Match(NamedTuple):
    """What a file's name says. key: what {stem} or {name} stands for; class_name: "" without {class}."""

    key: str
    class_name: str


class NamePattern:
    """A pattern such as {stem}_mask.png, {class}/{stem}, {name} or {stem}/masks/*.

    {stem} is what a photo's file name has before its suffix, {name} the whole name; used twice, both must
    be the same. * is any text within a name that does not continue a number or a word. Without a suffix of its own a
    pattern takes every image.
    """

    def __init__(self, pattern: str, class_names: Collection[str] = ()) -> None:
        self.pattern = pattern
        self.depth = pattern.count("/")
        self.by_name = "{name}" in pattern
        self._classes = sorted(class_names, key=len, reverse=True)  # the longest that fits
        self._expression = re.compile(self._text(None))

    def match(self, relative: str, known: Collection[str] = ()) -> Match | None:
        """What a path below the folder, parts joined by /, says; None where it is called differently.

        known: keys that are preferred where several fit, the longest of them: a_1 in a_1_mask_2, if there is such one.
        """
        found = self._expression.fullmatch(relative)
        if found is None or found["key"] in known:
            return None if found is None else _match(found)
        start = found.start("key")
        for end in range(len(relative), start, -1) if known else ():
            exact = re.fullmatch(self._text(relative[start:end]), relative) if relative[start:end] in known else None
            if exact is not None:
                return _match(exact)
        return _match(found)

    def widened(self) -> NamePattern | None:
        """The pattern with a * after its name, for more files of the same photo; None where it has one."""
        if "*" in self.pattern:
            return None
        ending = _suffix(self.pattern)
        return NamePattern(f"{self.pattern.removesuffix(ending)}*{ending}", self._classes)

    def _text(self, key: str | None) -> str:
        """The regular expression for one key, or for any."""
        text, ending = re.escape(self.pattern), _suffix(self.pattern)
        text = text[: len(text) - len(re.escape(ending))]
        inside = "[^/]+" if key is None else re.escape(key)
        for name in (re.escape("{stem}"), re.escape("{name}")):
            text = text.replace(name, f"(?P<key>{inside})", 1).replace(name, "(?P=key)")
        classes = "|".join(map(re.escape, self._classes)) or "[^/]+"
        text = text.replace(re.escape("{class}"), f"(?P<class>{classes})", 1).replace(re.escape("*"), _ANY)
        endings = [ending] if ending else [*SUFFIXES, *UNREAD]
        return f"{text}(?i:{'|'.join(map(re.escape, endings))})"


def _suffix(pattern: str) -> str:
    """The image suffix that a pattern ends with, "" without one."""
    return next((suffix for suffix in SUFFIXES if pattern.endswith(suffix)), "")


def _match(found: re.Match[str]) -> Match:
    return Match(found["key"], found.groupdict().get("class") or "")


def files_below(folder: Path, depth: int) -> Iterator[tuple[str, Path, bool]]:
    """Everything visible below a folder, at most `depth` folders deep, sorted: (path below it, path, fits).

    fits: it is a file exactly `depth` folders below; other files, and folders deeper than that, do not fit. Raises
    DataError where there is no such folder.
    """
    if not folder.is_dir():
        raise DataError([f"{folder}: no such folder of images"])
    yield from _walk(folder, "", depth)


def _walk(folder: Path, before: str, depth: int) -> Iterator[tuple[str, Path, bool]]:
    with os.scandir(folder) as entries:
        found = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    for name, is_folder in found:
        if is_folder and depth:
            yield from _walk(folder / name, f"{before}{name}/", depth - 1)
        else:
            yield f"{before}{name}", folder / name, not is_folder and not depth
