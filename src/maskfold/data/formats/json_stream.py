"""Reads the lists of a JSON object item by item, so that a file of a gigabyte needs the memory of one item."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

from maskfold.errors import DataError

_CHUNK = 4 * 2**20  # bytes
_SPACE = " \t\r\n"
_BOM = b"\xef\xbb\xbf"


class Item(NamedTuple):
    """One item of a list: the key of the list, and where in the file its text is, in bytes."""

    key: str
    value: Any
    offset: int
    length: int


def stream_items(path: Path, keys: Collection[str]) -> Iterator[Item]:
    """The items of the lists that stand under `keys` in the file's object, in the order of the file.

    Raises DataError naming the file and the byte where it stops being such a JSON.
    """
    with path.open("rb") as file:
        window = _Window(path, file)
        window.expect("{", "an object with the keys " + ", ".join(sorted(keys)))
        if window.peek() == "}":
            window.next_of("}")
            window.finish()
            return
        while True:
            key = window.value()
            window.expect(":", f"a colon after the key {key!r}")
            if key in keys and window.peek() == "[":
                yield from _items(window, key)
            elif key in keys:
                window.fail(f"{key!r} is no list")
            else:
                window.value()
            if window.next_of(",}") == "}":
                window.finish()
                return


def read_item(path: Path, offset: int, length: int) -> Any:
    """The value at a place that stream_items returned. Raises DataError when the file has changed since."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return json.loads(file.read(length))
    except (OSError, ValueError):
        raise DataError([f"{path}: changed while it was in use; start the same command again"]) from None


def _items(window: _Window, key: str) -> Iterator[Item]:
    window.expect("[", "a list")
    if window.peek() == "]":
        window.next_of("]")
        return
    while True:
        window.peek()
        offset = window.place
        value = window.value()
        yield Item(key, value if window.taken.isascii() else window.retaken(), offset, window.place - offset)
        if window.next_of(",]") == "]":
            return


class _Window:
    """A stretch of the file as Latin-1 text: one character a byte, so that places in it are places in the file."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.text, self.start, self.position = "", 0, 0
        self.taken = ""  # the text of the last value
        self.decoder = json.JSONDecoder()
        if file.read(len(_BOM)) == _BOM:
            self.start = len(_BOM)
        file.seek(self.start)

    @property
    def place(self) -> int:
        """The byte that comes next."""
        return self.start + self.position

    def fail(self, reason: str) -> NoReturn:
        """Raise DataError about the place."""
        raise DataError([f"{self.path}, byte {self.place}: {reason}"])

    def peek(self) -> str:
        """The next character that is no space; the place moves to it."""
        while True:
            while self.position < len(self.text) and self.text[self.position] in _SPACE:
                self.position += 1
            if self.position < len(self.text):
                return self.text[self.position]
            if not self._grow():
                self.fail("the file ends here, but its JSON does not; it is truncated")

    def next_of(self, characters: str) -> str:
        """The next character that is no space, which must be one of `characters`."""
        found = self.peek()
        if found not in characters:
            self.fail(f"found {found!r}, expected {' or '.join(characters)}: no valid JSON")
        self.position += 1
        return found

    def finish(self) -> None:
        """Nothing but space may follow: of two objects in one file, the labels of the second would be lost."""
        while True:
            rest = self.text[self.position :].lstrip(_SPACE)
            if rest:
                self.position = len(self.text) - len(rest)
                self.fail(f"found {rest[0]!r} after the end of the JSON; one file, one object")
            self.position = len(self.text)
            if not self._grow():
                return

    def expect(self, character: str, meaning: str) -> None:
        """Step over a character that must come next."""
        if self.peek() != character:
            self.fail(f"found {self.peek()!r}, expected {meaning}")
        self.position += 1

    def value(self) -> Any:
        """The next value, whatever its kind; reads on until it is complete."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.position)
            except json.JSONDecodeError as error:
                if self._grow():
                    continue
                self.fail(f"no valid JSON from here on, or truncated ({error.msg})")
            except RecursionError:
                self.fail("no valid JSON from here on, or truncated (nested too deeply)")
            except ValueError:
                self.fail("a number here has more digits than Python reads (4,300)")
            # A number at the window's end may continue after it.
            if end == len(self.text) and not isinstance(value, dict | list | str) and self._grow():
                continue
            self.taken, self.position = self.text[self.position : end], end
            return value

    def retaken(self) -> Any:
        """The last value with its texts as UTF-8, not Latin-1."""
        try:
            return json.loads(self.taken.encode("latin-1"))
        except ValueError:
            self.fail("a text right before is not UTF-8")

    def _grow(self) -> bool:
        """Drop what has been read and read on, at least as much again as is held; False at the file's end."""
        kept = self.text[self.position :]
        more = self.file.read(max(_CHUNK, len(kept)))
        self.start += self.position
        self.text, self.position = kept + more.decode("latin-1"), 0
        return bool(more)
