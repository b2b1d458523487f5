"""The charts of the report: training curves, reliability, and true against predicted areas."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from maskfold.drawing.svg_charts import (
    Axis,
    Marks,
    axis,
    chart,
)
from maskfold.report.calibration import Reliability
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
            if column in history
        ]
        if marks:
            x = axis("epoch", *(each.x for each in marks), whole=True)
            charts.append((title, chart(title, x, axis("", *(each.y for each in marks)), marks)))
    return charts


def reliability_chart(title: str, names: Sequence[str], bins: Sequence[Reliability], line: bool = True) -> Markup:
    """Predicted probability against the share that is true, a colour a class; the diagonal is perfect."""
    marks = [
        Marks(each.prob, each.share, number, f"class {name}", line=line)
        for number, (name, each) in enumerate(zip(names, bins, strict=True))
    ]
    return chart(title, Axis("predicted", 0, 1), Axis("true share", 0, 1), marks, diagonal=True)


def area_charts(oof: OofScores) -> list[tuple[str, Markup]]:
    """(class, chart) of the true against the predicted area of every image that shows or predicts the class."""
    largest = float(max(oof.true.max(initial=1), oof.predicted.max(initial=1))) * 1.5
    x, y = Axis("true area, px", 0, largest, log=True), Axis("predicted area, px", 0, largest, log=True)
    charts = []
    for index, name in enumerate(oof.class_names):
        true, predicted = oof.true[:, index], oof.predicted[:, index]
        shown = (true > 0) | (predicted > 0)
        marks = Marks(true[shown], predicted[shown], index)
        charts.append((name, chart(f"Areas of class {name}", x, y, [marks], diagonal=True)))
    return charts
