"""The page of the image map, and its data."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskfold.drawing.class_colours import class_colour
from maskfold.drawing.html import page_environment
from maskfold.drawing.script_data import write_script
from maskfold.report.oof_scores import OofScores

_HERE = Path(__file__).parent
_TEMPLATE = _HERE / "image_map.html.j2"
_SCRIPTS = ("image_map_view.js", "image_map.js")
_STEPS = 10_000  # of a place, in the data

RIGHT, MISSED, FALSE_ALARM, BOTH = range(4)


def error_kinds(oof: OofScores) -> np.ndarray:
    """(images,) int: whether a class is missed whole, falsely found, both or neither, under the rules in use."""
    missed = ((oof.true > 0) & (oof.predicted == 0)).any(axis=1)
    alarm = ((oof.true == 0) & (oof.predicted > 0)).any(axis=1)
    return np.where(missed & alarm, BOTH, np.where(missed, MISSED, np.where(alarm, FALSE_ALARM, RIGHT)))


def main_classes(true: np.ndarray) -> np.ndarray:
    """(images,) int: the class with the largest true area, -1 where there is none; true: (images, classes) px."""
    return np.where(true.any(axis=1), true.argmax(axis=1), -1)


def write_image_map(
    name: str, places: np.ndarray, oof: OofScores, part: str, encoder: Sequence[str], pictures: bool, folder: Path
) -> None:
    """Write index.html, its scripts and its data into `folder`.

    places: (images, 2) in 0..1, of the images of `oof`; part: what an OOF file is called; encoder: its name, and that
    of the model it belongs to; pictures: whether the report has a gallery, whose pictures are shown.
    """
    colours = max(len(oof.class_names), int(oof.folds.max(initial=0)) + 1)
    data = {
        "id": oof.image_ids,
        "x": np.rint(places[:, 0] * _STEPS).astype(int).tolist(),
        "y": np.rint(places[:, 1] * _STEPS).astype(int).tolist(),
        "steps": _STEPS,
        "fold": oof.folds.tolist(),
        "class": main_classes(oof.true).tolist(),
        "error": error_kinds(oof).tolist(),
        "score": np.round(oof.scores["adopted"].mean(axis=1), 4).tolist(),
        "classes": list(oof.class_names),
        "colours": [class_colour(index) for index in range(colours)],
        "run": name,
        "part": part,
        "metric": oof.metric,
        "pictures": pictures,
    }
    template = page_environment(_HERE).get_template(_TEMPLATE.name)
    page = template.render(
        name=name, images=len(oof.image_ids), part=part, encoder=encoder, metric=oof.metric, scripts=_SCRIPTS
    )
    for script in _SCRIPTS:
        shutil.copyfile(_HERE / script, folder / script)
    write_script(folder / "image_map_data.js", "image_map_data", data)
    (folder / "index.html").write_text(page, encoding="utf-8")
