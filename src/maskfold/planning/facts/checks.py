"""What is unusual about the data and does not stop a plan: said before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from maskfold.artefacts.files import whole_file
from maskfold.data.competition import Competition
from maskfold.data.images.decoding import read_for_display
from maskfold.execution.text import class_words
from maskfold.planning.constants import UNLIKE_DEVIATIONS, UNLIKE_GREY
from maskfold.planning.facts.fingerprint import Fingerprint

_COLUMNS, _CELL_PX = 6, 200  # of the picture


def rare_classes(facts: Fingerprint) -> list[str]:
    """One line for each class with hardly any image."""
    lines = []
    for each in facts.classes:
        if each.images == 0:
            lines.append(
                f"no image whose masks were read shows {class_words(each.name)}; it cannot be learned from none"
            )
        elif each.images == 1:
            lines.append(
                f"one image shows {class_words(each.name)}: it is either learned from or scored on, never both"
            )
    return lines


def unlike_tests(facts: Fingerprint) -> list[str]:
    """One line for each way in which the test images differ from the training images."""
    if facts.test_brightness is None or not facts.test_sizes:
        return []
    lines = []
    mean, deviation = facts.brightness
    apart = abs(facts.test_brightness[0] - mean)
    if apart > UNLIKE_DEVIATIONS * max(deviation, 1.0):
        than = "brighter" if facts.test_brightness[0] > mean else "darker"
        lines.append(
            f"the test images are {than} than the training images (mean grey {facts.test_brightness[0]:.0f} against "
            f"{mean:.0f} ± {deviation:.0f}): scores may not carry over"
        )
    if facts.test_grey is not None and abs(facts.test_grey - facts.grey) > UNLIKE_GREY:
        shares = f"{facts.test_grey:.0%} of them are grey, and {facts.grey:.0%} of the training images"
        lines.append(f"the test images have other colours than the training images: {shares}")
    trained, tested = (_median_area(sizes) for sizes in (facts.sizes, facts.test_sizes))
    if not 0.5 < tested / trained < 2:
        lines.append(
            f"the test images have {tested / trained:.1f} times the pixels of the training images: objects may have "
            "another size there, and scores may not carry over"
        )
    return lines


def draw_tests(competition: Competition, path: Path) -> None:
    """Write a png of some training images, and below them as many test images, each spread over its table."""
    sheet = Image.new("RGB", (_COLUMNS * _CELL_PX, 2 * _CELL_PX), "white")
    for row, table in enumerate((competition.train, competition.readable_test)):
        places = np.linspace(0, len(table) - 1, min(_COLUMNS, len(table))).round().astype(int)
        for column, file in enumerate(table["path"].iloc[places]):
            picture = Image.fromarray(read_for_display(Path(file)))
            picture.thumbnail((_CELL_PX - 4, _CELL_PX - 4))
            sheet.paste(picture, (column * _CELL_PX, row * _CELL_PX))
    with whole_file(path) as temporary:
        sheet.save(temporary, format="PNG")


def _median_area(sizes: dict[tuple[int, int], int]) -> float:
    areas = sorted(height * width for (height, width), count in sizes.items() for _ in range(count))
    return float(areas[len(areas) // 2])
