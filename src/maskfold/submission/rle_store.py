"""Run lengths by image and class, kept on disk so that memory does not grow with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, MutableMapping
from threading import Lock

MaskKey = tuple[str, int]  # image_id, class index


class RleStore(MutableMapping[MaskKey, str]):
    """A mapping like any other, in the order of first insertion; its texts are in a temporary file.

    Threads may share it. The file is in TMPDIR, or where the system keeps such files, and is deleted with the mapping.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the mapping
        self._spans: dict[MaskKey, tuple[int, int]] = {}  # start and length, bytes
        self._end = 0
        self._lock = Lock()

    def __setitem__(self, key: MaskKey, text: str) -> None:
        raw = text.encode()
        with self._lock:
            if raw:
                self._file.seek(self._end)
                self._file.write(raw)
            self._spans[key] = (self._end, len(raw))
            self._end += len(raw)

    def __getitem__(self, key: MaskKey) -> str:
        start, length = self._spans[key]
        if not length:
            return ""
        with self._lock:
            self._file.seek(start)
            return self._file.read(length).decode()

    def __delitem__(self, key: MaskKey) -> None:
        del self._spans[key]

    def __iter__(self) -> Iterator[MaskKey]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)
