"""Draw docs/images/cuts.svg: the expected Dice of every cut of two maps that hold the same doubtful pixels.

python docs/make_cut_picture.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
from matplotlib import rcParams
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from maskfold.rules.expected import expected_scores
from maskfold.rules.rules import CALIBRATED_ONE, WEIGHT_STEPS

PICTURE = Path(__file__).parent / "images" / "cuts.svg"
# Pixels around a level (out of 255) in each map: (level, width, pixels).
DOUBTFUL = (90, 10, 600)
MAPS = {
    "a sure object and a doubtful rim": ((230, 10, 2000), DOUBTFUL),
    "a faint spot and the same doubtful pixels": ((150, 10, 60), DOUBTFUL),
}


def counts(groups: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """(256,) int64 pixels at each level, normally distributed around that of each group."""
    levels = np.arange(256)
    found = np.zeros(256)
    for level, width, pixels in groups:
        bell = np.exp(-0.5 * ((levels - level) / width) ** 2)
        found += pixels * bell / bell.sum()
    return np.rint(found).astype(np.int64)


def main() -> None:
    """Draw the picture."""
    rcParams["svg.hashsalt"] = "cuts"
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    thresholds = np.arange(255, 0, -1)
    for name, groups in MAPS.items():
        pixels = counts(groups)[:0:-1]
        areas = CALIBRATED_ONE * pixels.cumsum()
        overlaps = (pixels * np.rint(CALIBRATED_ONE * thresholds / 255).astype(np.int64)).cumsum()
        scores = expected_scores("dice", areas, overlaps, WEIGHT_STEPS * overlaps[-1:])
        best = int(np.argmax(scores))
        [line] = axes.plot(thresholds / 255, scores, label=name)
        axes.plot(thresholds[best] / 255, scores[best], "o", color=line.get_color())
    axes.axvspan(0.27, 0.43, alpha=0.12, color="grey", label="the doubtful pixels")
    axes.set(xlabel="cut (calibrated probability)", ylabel="expected Dice", ylim=(0, 1))
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 0.02))
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
