"""The photos and videos that inputs stand for: files, folders, glob patterns, and `-` for a stream on stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from glob import has_magic
from pathlib import Path
from typing import Literal, NamedTuple

from maskfold.data.images.files import check_single
from maskfold.data.images.headers import read_declared
from maskfold.data.images.suffixes import SUFFIXES
from maskfold.data.unused import in_words
from maskfold.errors import DataError

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".flv", ".ogv"),
)
PHOTO_SUFFIXES = tuple(suffix for suffix in SUFFIXES if suffix not in VIDEO_SUFFIXES)
STDIN = "-"


class Source(NamedTuple):
    """A photo, a video, or the stream on stdin, whose path is `-`."""

    path: Path
    kind: Literal["photo", "video"]

    @property
    def is_stdin(self) -> bool:
        """Whether this is the stream on stdin."""
        return str(self.path) == STDIN

    @property
    def stem(self) -> str:
        """What its output is called, without effect and suffix."""
        return "stdin" if self.is_stdin else self.path.stem


def find_sources(inputs: Sequence[str]) -> list[Source]:
    """Every photo and video the inputs name, each once; those of a folder or pattern in order of their names.

    A folder stands for the photos and videos right in it. Raises DataError with all problems together: what does not
    exist, is of an unknown kind, empty, or declares more pixels than are decoded.
    """
    sources: dict[Source, None] = {}
    problems: list[str] = []
    for text in inputs:
        found = _sources_of(text, problems)
        problems += [line for source in found for line in _file_problems(source)]
        sources |= dict.fromkeys(found)
    if problems:
        raise DataError(problems)
    return list(sources)


def _sources_of(text: str, problems: list[str]) -> list[Source]:
    path = Path(text).expanduser()
    if text == STDIN:
        return [Source(Path(STDIN), "video")]
    if path.is_dir():
        found = _known_among(path.iterdir())
        if not found:
            problems.append(f"{path}: this folder holds no photo and no video ({_known()})")
        return found
    if path.exists():
        single = _source(path)
        if single is None:
            problems.append(f"{path}: neither a photo nor a video that can be read ({_known()})")
        return [] if single is None else [single]
    if not has_magic(text):
        problems.append(f"{path}: no such file or folder")
        return []
    matching = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    found = _known_among(matching)
    if not found:
        problems.append(f"{text}: no photo and no video matches this pattern ({_known()})")
    return found


def _known_among(paths: Iterable[Path]) -> list[Source]:
    """The photos and videos of these paths in order of their names, without hidden files."""
    files = [path for path in sorted(paths) if path.is_file() and not path.name.startswith(".")]
    unused = [path for path in files if _source(path) is None]
    if unused:
        names = "; ".join(in_words(unused, unused[0].parent.parent))
        print(f"predict: not used, neither photos nor videos that can be read: {names}", file=sys.stderr, flush=True)
    return [source for source in map(_source, files) if source is not None]


def _source(path: Path) -> Source | None:
    suffix = path.suffix.lower()
    if suffix in PHOTO_SUFFIXES:
        return Source(path, "photo")
    return Source(path, "video") if suffix in VIDEO_SUFFIXES else None


def _known() -> str:
    return f"photos: {', '.join(PHOTO_SUFFIXES)}; videos: {', '.join(VIDEO_SUFFIXES)}"


def _file_problems(source: Source) -> list[str]:
    """What is wrong with a file as far as its first bytes tell."""
    if source.is_stdin:
        return []
    try:
        if source.path.stat().st_size == 0:
            return [f"{source.path}: is empty (0 bytes)"]
        if source.kind == "photo":
            read_declared(source.path)
            check_single(source.path)
    except DataError as error:
        return error.problems
    return []
