"""The table of classes and their colours that some data sets bring: class_dict.csv with name, r, g and b."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from maskfold.data.csv_files import header_of, read_csv
from maskfold.data.ignored import is_void_name
from maskfold.errors import DataError

Colour = tuple[int, int, int]

_COLOURS = ("r", "g", "b")
_BACKGROUND = re.compile(r"back_?ground|none|other", re.IGNORECASE)
_BLACK = (0, 0, 0)
_UP = 3  # folders above a mask in which the table may lie


@dataclass(frozen=True)
class ClassTable:
    """classes: name -> colour; background: colours of no class; void: colour of pixels that nobody labelled, if any."""

    path: Path
    classes: dict[str, Colour]
    background: tuple[Colour, ...]
    void: Colour | None

    @property
    def section(self) -> dict[str, object]:
        """The keys of the data section that read masks in these colours; black is background if it is nothing else."""
        named = {*self.classes.values(), *self.background, self.void}
        return {
            "labels": "colour",
            "class_names": tuple(self.classes),
            "class_colours": self.classes,
            "background_colours": (*self.background, *(() if _BLACK in named else (_BLACK,))),
            **({} if self.void is None else {"ignore_value": self.void}),
        }

    def notes(self, counts: Mapping[Colour, int]) -> list[str]:
        """What each colour was taken for; counts: pixels of each. Raises DataError for colours that are not listed."""
        meanings = {colour: name for name, colour in self.classes.items()}
        meanings |= {colour: "background" for colour in (_BLACK, *self.background) if colour not in meanings}
        meanings |= {} if self.void is None else {self.void: "ignored, as pixels that nobody labelled (void)"}
        unknown = [list(colour) for colour in counts if colour not in meanings]
        if unknown:
            raise DataError([f"{self.path}: the masks also have the colours {unknown[:8]}, which it does not list"])
        total = sum(counts.values())
        return [f"{self.path.name}: the classes and their colours"] + [
            f"mask colour {list(colour)}: {meaning} ({counts.get(colour, 0) / total:.1%} of the pixels)"
            for colour, meaning in meanings.items()
        ]


def class_table(mask: Path) -> ClassTable | None:
    """The one table above a mask file, None without one. Raises DataError for one that cannot be used."""
    for folder in mask.parents[:_UP]:
        found = [path for path in sorted(folder.glob("*.csv")) if _is_table(path)]
        if len(found) == 1:
            return _read(found[0])
    return None


def _is_table(path: Path) -> bool:
    header = [name.lower() for name in header_of(path)]
    return len(header) == 4 and set(header[1:]) == set(_COLOURS)


def _read(path: Path) -> ClassTable:
    table = read_csv(path)
    places = [[name.lower() for name in table.header].index(name) for name in _COLOURS]
    colours: dict[str, Colour] = {}
    for number, row in table.rows:
        texts = [row[place] for place in places]
        if not all(text.isdigit() and int(text) < 256 for text in texts):
            raise DataError([f"{path}, row {number}: found {','.join(texts)}, expected r, g and b from 0 to 255"])
        if not row[0] or row[0] in colours:
            raise DataError([f"{path}, row {number}: the class {row[0]!r} has no name, or one that was there before"])
        colours[row[0]] = (int(texts[0]), int(texts[1]), int(texts[2]))
    if len(set(colours.values())) < len(colours):
        raise DataError([f"{path}: two classes have one colour"])
    void = [name for name in colours if is_void_name(name)]
    if len(void) > 1:
        raise DataError([f"{path}: {', '.join(void)} may all be unlabelled pixels; set data.class_colours"])
    background = [name for name in colours if _BACKGROUND.fullmatch(name)]
    classes = {name: colour for name, colour in colours.items() if name not in (*void, *background)}
    return ClassTable(path, classes, tuple(colours[name] for name in background), colours[void[0]] if void else None)
