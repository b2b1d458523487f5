"""What the columns of a label csv are for: the image, the class, the run lengths."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maskfold.data.csv_files import CsvTable
from maskfold.data.images.naming import name_in_folder
from maskfold.data.images.suffixes import without_image_suffix
from maskfold.data.recognition.folders import Folder
from maskfold.pixels.rle import RleError, absolute_runs, parse_runs

LOOKED_AT = 400  # fields
SHARE = 0.9  # of them must be of a kind; the reader names the others
MOST_CLASSES = 100
TOKENS = ("-1", "-", "nan", "none", "null", "empty")  # empty masks, as a blank is; in lower case
_CLASS_NAME = re.compile(r"class|label|categor|defect", re.IGNORECASE)


@dataclass(frozen=True)
class Runs:
    """A column of run lengths. token: what means an empty mask, as a blank does; relative: see absolute_runs."""

    column: str
    token: str
    relative: bool


@dataclass(frozen=True)
class ImageColumn:
    """The column that names the images of a folder. classes: where its texts are <image>_<class>, those classes."""

    column: str
    folder: Folder
    matched: int
    looked_at: int
    classes: tuple[str, ...] = ()
    others: tuple[Folder, ...] = field(default=())  # folders that hold as many of them


def cells(table: CsvTable, column: str) -> list[str]:
    """All fields of a column."""
    return [text for _, (text,) in table.select([column])]


def runs_in(table: CsvTable, column: str) -> Runs | None:
    """The column as one of run lengths; None where it is none."""
    texts = [text for text in cells(table, column) if text][:LOOKED_AT]  # a rare class may begin far down
    tokens = Counter(text for text in texts if text.lower() in TOKENS)
    token = tokens.most_common(1)[0][0] if tokens else ""
    texts = [text for text in texts if text != token]
    if not texts or (len(texts) > 2 and len(set(texts)) == 1 and len(texts[0].split()) == 2):  # one pair: a size, say
        return None
    for relative in (False, True):
        if sum(_is_runs(text, relative) for text in texts) >= SHARE * len(texts):
            return Runs(column, token, relative)
    return None


def _is_runs(text: str, relative: bool) -> bool:
    try:
        return len(parse_runs(absolute_runs(text) if relative else text)) > 0
    except RleError:
        return False


def image_column(table: CsvTable, columns: Sequence[str], folders: Sequence[Folder]) -> ImageColumn | None:
    """The first of the columns whose texts name images of a folder, whole, or joined with a class; None without one."""
    for column in columns:
        texts = list(dict.fromkeys(cells(table, column)[:LOOKED_AT]))
        found = _named_whole(column, texts, folders)
        if found is not None:
            return found
    for column in columns:
        found = _named_with_class(column, cells(table, column), folders)
        if found is not None:
            return found
    return None


def _named_whole(column: str, texts: Sequence[str], folders: Sequence[Folder]) -> ImageColumn | None:
    held = []
    for folder in folders:
        names = set(folder.images)
        stems = {without_image_suffix(name) for name in names}
        own = [name_in_folder(text, folder.name) for text in texts]
        count = max(sum(name in names for name in own), sum(name in stems for name in own))
        if count and count >= SHARE * len(texts):
            held.append((count, folder))
    if not held:
        return None
    photos = [entry for entry in held if not entry[1].is_mask] or held
    most = max(count for count, _ in photos)
    best = [folder for count, folder in photos if count == most]
    return ImageColumn(column, best[0], most, len(texts), others=tuple(best[1:]))


def images_spread(table: CsvTable, columns: Sequence[str], folders: Sequence[Folder]) -> list[tuple[Folder, int]]:
    """Folders that together hold the images which one of the columns names, with how many of them; else none."""
    for column in columns:
        texts = list(dict.fromkeys(cells(table, column)[:LOOKED_AT]))
        left, spread = set(texts), []
        for folder in folders:
            names = {*folder.images, *map(without_image_suffix, folder.images)}
            own = {text for text in left if name_in_folder(text, folder.name) in names}
            left -= own
            spread += [(folder, len(own))] if own else []
        if len(spread) > 1 and len(texts) - len(left) >= SHARE * len(texts):
            return spread
    return []


def _named_with_class(column: str, texts: Sequence[str], folders: Sequence[Folder]) -> ImageColumn | None:
    looked_at = list(dict.fromkeys(texts))
    for folder in folders:
        known = {*folder.images, *map(without_image_suffix, folder.images)}
        split = [class_behind(name_in_folder(text, folder.name), known) for text in looked_at]
        classes = Counter(name for name in split if name is not None)
        if sum(classes.values()) >= SHARE * len(looked_at) and len(classes) <= min(MOST_CLASSES, len(looked_at)):
            return ImageColumn(column, folder, sum(classes.values()), len(looked_at), sorted_names(set(classes)))
    return None


def class_behind(text: str, known: set[str]) -> str | None:
    """The class in <image>_<class>, the image being the longest of the known ones; None where it is none of them."""
    for place in range(len(text) - 1, 0, -1):
        if text[place] == "_" and text[:place] in known and place + 1 < len(text):
            return text[place + 1 :]
    return None


@dataclass(frozen=True)
class ClassColumn:
    """A column that names classes. certain: its name says so; otherwise it may as well say something of the object."""

    column: str
    classes: tuple[str, ...]
    certain: bool


def class_columns(table: CsvTable, image: str, columns: Sequence[str], runs: Runs) -> list[ClassColumn]:
    """The columns that may hold the class, those whose name says so first.

    Others only count where images have several rows and the column distinguishes those of one image.
    """
    images, found = cells(table, image), []
    shown = [bool(text) and text != runs.token for text in cells(table, runs.column)]
    repeated = len(set(images)) < len(images)
    for column in columns:
        texts = cells(table, column)
        names = {text for text in texts if text}
        blanks = any(not text and on for text, on in zip(texts, shown, strict=True))
        if not names or len(names) > MOST_CLASSES or blanks:
            continue
        certain = bool(_CLASS_NAME.search(column))
        distinct = len(set(zip(images, texts, strict=True))) == len(images)
        if certain or (repeated and distinct and 1 < len(names) <= len(set(images))):
            found.append(ClassColumn(column, sorted_names(names), certain))
    return sorted(found, key=lambda entry: not entry.certain)


def same_classes(table: CsvTable, first: str, second: str) -> bool:
    """Whether two columns name the same classes, each in its own words, such as a number and a name."""
    pairs = set(zip(cells(table, first), cells(table, second), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def sorted_names(names: set[str]) -> tuple[str, ...]:
    """In order, numbers by their value."""
    return tuple(sorted(names, key=lambda name: (len(name) if name.isdigit() else 0, name)))


def repeats(table: CsvTable, columns: Sequence[str], runs: Runs) -> int:
    """How many rows with a mask have the same fields in these columns as an earlier one."""
    keys: Mapping[tuple[str, ...], int] = Counter(
        fields[:-1] for _, fields in table.select([*columns, runs.column]) if fields[-1] and fields[-1] != runs.token
    )
    return sum(count - 1 for count in keys.values())
