"""The charts of the report: training curves, reliability, and true against predicted areas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from markupsafe import Markup

from maskfold.drawing.pictures import FAINTEST
from maskfold.drawing.svg_charts import (
    Axis,
    Marks,
    axis,
    chart,
)
from maskfold.execution.text import class_words
from maskfold.report.calibration import Reliability, calibrated_reliability, image_reliability, pixel_reliability
from maskfold.report.oof_gallery import OofPass
from maskfold.report.oof_scores import OofScores


def curve_charts(histories: dict[str, pd.DataFrame]) -> list[tuple[str, Markup]]:
    """(title, chart) of the losses, the metric and the learning rate over the epochs; a colour each training.

    histories: name -> what `read_history` returns.
    """
    shown = {
        "Loss (dashed: training)": {"valid_loss": False, "train_loss": True},
        "Validation metric": {"valid_metric": False},
        "Learning rate": {"learning_rate": False},
    }
    charts = []
    for title, columns in shown.items():
        marks = [
            Marks(history["epoch"] + 1, history[column], number, f"{name}, {column}", dashed=dashed)
            for number, (name, history) in enumerate(histories.items())
            for column, dashed in columns.items()
            if column in history and history[column].notna().any()
        ]
        if marks:
            x = axis("epoch", *(each.x for each in marks), whole=True)
            charts.append((title, chart(title, x, axis("", *(each.y for each in marks)), marks)))
    return charts


def calibration_rows(
    oof: OofScores, passed: OofPass, of_folds: Sequence[Sequence[np.ndarray]]
) -> list[dict[str, object]]:
    """One row a class: class_name, and the calibration error of all its pixels, of likely ones, and of images.

    of_folds: for each class the counts of each fold at the levels above 0. calibrated_…: the same errors
    after isotonic regression on the other folds. image_error is there only with a classification head.
    """
    images = _image_reliabilities(oof, passed)
    rows: list[dict[str, object]] = []
    for index, (name, counts) in enumerate(zip(oof.class_names, passed.counts, strict=True)):
        likely = counts.copy()
        likely[:, :FAINTEST] = 0
        row: dict[str, object] = {"class_name": name, "error": pixel_reliability(counts).error}
        row["likely_error"] = pixel_reliability(likely).error
        row["calibrated_error"] = calibrated_reliability(of_folds[index], counts[:, 0]).error
        row["calibrated_likely_error"] = calibrated_reliability(of_folds[index], np.zeros(2), FAINTEST).error
        if images:
            row["image_error"] = images[index].error
        rows.append(row)
    return rows


def reliability_charts(oof: OofScores, passed: OofPass) -> list[tuple[str, Markup]]:
    """(title, chart) of the reliability of pixel and, with a classification head, of image probabilities."""
    pixels = [pixel_reliability(counts) for counts in passed.counts]
    charts = [("Pixels", _reliability_chart("Reliability of pixel probabilities", oof.class_names, pixels))]
    images = _image_reliabilities(oof, passed)
    if images:
        title = "Reliability of class_prob"
        charts.append(("Images (classification head)", _reliability_chart(title, oof.class_names, images, line=False)))
    return charts


def _image_reliabilities(oof: OofScores, passed: OofPass) -> list[Reliability]:
    """Of each class, from the classification head; empty without one."""
    if passed.class_prob is None:
        return []
    probs, non_empty = passed.class_prob.astype(np.float64), oof.true > 0
    return [image_reliability(probs[:, index], non_empty[:, index]) for index in range(len(oof.class_names))]


def _reliability_chart(title: str, names: Sequence[str], bins: Sequence[Reliability], line: bool = True) -> Markup:
    """Predicted probability against the share that is true, a colour a class; the diagonal is perfect."""
    marks = [
        Marks(each.prob, each.share, number, class_words(name), line=line)
        for number, (name, each) in enumerate(zip(names, bins, strict=True))
    ]
    return chart(title, Axis("predicted", 0, 1), Axis("true share", 0, 1), marks, diagonal=True)


def area_charts(oof: OofScores) -> list[tuple[str, Markup]]:
    """(class, chart) of the true against the predicted area of every image where either is not empty."""
    largest = float(max(oof.true.max(initial=1), oof.predicted.max(initial=1))) * 1.5
    x, y = Axis("true area, px", 0, largest, log=True), Axis("predicted area, px", 0, largest, log=True)
    charts = []
    for index, name in enumerate(oof.class_names):
        true, predicted = oof.true[:, index], oof.predicted[:, index]
        shown = (true > 0) | (predicted > 0)
        marks = Marks(true[shown], predicted[shown], index)
        charts.append((name, chart(f"Areas of {class_words(name)}", x, y, [marks], diagonal=True)))
    return charts
