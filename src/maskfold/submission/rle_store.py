"""Run lengths by image and class, kept on disk so that memory does not grow with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, MutableMapping
from threading import Lock

AnswerKey = tuple[str, int]  # image_id, class index


class RunTexts(MutableMapping[AnswerKey, str]):
    """A mapping like any other, in the order of first insertion; its texts lie in a temporary file.

    Threads may share it. The file is in TMPDIR, or where the system keeps such files, and goes with the mapping.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the mapping
        self._spans: dict[AnswerKey, tuple[int, int]] = {}  # start and length, bytes
        self._end = 0
        self._lock = Lock()

    def __setitem__(self, key: AnswerKey, text: str) -> None:
        raw = text.encode()
        with self._lock:
            if raw:
                self._file.seek(self._end)
                self._file.write(raw)
            self._spans[key] = (self._end, len(raw))
            self._end += len(raw)

    def __getitem__(self, key: AnswerKey) -> str:
        start, length = self._spans[key]
        if not length:
            return ""
        with self._lock:
            self._file.seek(start)
            return self._file.read(length).decode()

    def __delitem__(self, key: AnswerKey) -> None:
        del self._spans[key]

    def __iter__(self) -> Iterator[AnswerKey]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)
