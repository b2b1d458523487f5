"""The class of each colour, as a csv file next to the pictures, so that masks can be read back."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from maskfold.artefacts.files import whole_file
from maskfold.drawing.class_colours import class_colour, hex_colour
from maskfold.execution.text import spreadsheet_cell


def write_legend(path: Path, class_names: Sequence[str], shown: Iterable[int]) -> None:
    """Write class,red,green,blue,hex, one row a class.

    class_names: of the run; shown: index of each class that is drawn.
    """
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["class", "red", "green", "blue", "hex"])
        names = {index: spreadsheet_cell(class_names[index]) for index in shown}
        rows.writerows([name, *class_colour(index), hex_colour(index)] for index, name in names.items())
