"""Files in the folders of images and masks that are neither: listed, so that nothing is left out silently."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from maskfold.data.competition import Competition

_OF_THE_SYSTEM = {"thumbs.db", "desktop.ini", "icon\r"}
_NAMED = 5  # files of one folder and kind that are named one by one
_LINES = 20


def report_unused(competition: Competition, candidates: Iterable[Path], root: Path) -> None:
    """Print on stderr which of the candidates the competition does not use, if any."""
    unused = unused_files(competition, candidates)
    if unused:
        print(f"{root.name}: not used: {'; '.join(in_words(unused, root))}", file=sys.stderr, flush=True)


def unused_files(competition: Competition, candidates: Iterable[Path]) -> list[Path]:
    """The candidates that the competition does not use, sorted; a folder is used if anything in it is."""
    tables = (competition.train, competition.test)
    used = {Path(path) for table in tables for path in table["path"]}
    used |= {*competition.label_images, *competition.label_files, *competition.neighbour_files}
    used |= set() if competition.sample_submission is None else {competition.sample_submission}
    folders = {parent for folder in {path.parent for path in used} for parent in (folder, *folder.parents)}
    hidden = (path for path in set(candidates) if path not in used and path not in folders)
    return sorted(path for path in hidden if not path.name.startswith(".") and path.name.lower() not in _OF_THE_SYSTEM)


def in_words(files: Sequence[Path], root: Path) -> list[str]:
    """One text a folder and kind of file: the names of a few files, or the first ones and how many there are."""
    kinds: dict[tuple[Path, str], list[str]] = {}
    for path in files:
        kinds.setdefault((path.parent, path.suffix.lower()), []).append(path.name + ("/" if path.is_dir() else ""))
    lines = []
    for (folder, suffix), names in kinds.items():
        place = str(folder.relative_to(root)) if folder.is_relative_to(root) else str(folder)
        shown = ", ".join(names[:_NAMED])
        more = f", … ({len(names)} {suffix or 'others'})" if len(names) > _NAMED else ""
        lines.append(f"{place}/: {shown}{more}")
    return lines if len(lines) <= _LINES else [*lines[:_LINES], f"… and files in {len(lines) - _LINES} more folders"]
