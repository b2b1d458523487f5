"""How well a run outlines what is shown, whatever it says of images that show nothing.

The metric of a competition counts empty images, so that tuned rules give up what is shown for fewer false alarms.
This sets that aside: the mean Dice of each class over the images that show it, from the OOF of a run, at threshold
0.5, at a threshold chosen for it on the other folds (honest), and at the best of all 255 (what no choice exceeds).
Prints a Markdown table. Ends with one line of JSON: the honest mean over classes; exits 1 below --bar.

  python benchmarks/where_shown.py --config configs/magnetic_tile.yaml --set data.root=/data/tiles
  python benchmarks/where_shown.py --config configs/people.yaml --bar 0.97
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
from claims import claim

from maskfold.artefacts.paths import RunPaths
from maskfold.config import load_config
from maskfold.data.opening import open_competition
from maskfold.execution.progress import tracked
from maskfold.oof.with_truth import iter_with_truth
from maskfold.pixels.metrics import dice
from maskfold.rules.rules import DEFAULT_RULE

LEVELS = 256


def dice_by_threshold(prob: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(256,) Dice of one map of 8-bit probabilities at each threshold: a pixel is on at that level and above."""
    on = np.bincount(prob.ravel(), minlength=LEVELS)[::-1].cumsum()[::-1]
    hit = np.bincount(prob[truth.astype(bool)], minlength=LEVELS)[::-1].cumsum()[::-1]
    return dice(hit, on, np.full(LEVELS, hit[0]))


def honest(scores: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(images,) score of each image at the threshold that is best on the other folds; scores: (images, 256)."""
    out = np.empty(len(scores))
    for fold in np.unique(folds):
        held = folds == fold
        others = scores[~held, 1:]
        chosen = 1 + int(others.mean(axis=0).argmax()) if len(others) else DEFAULT_RULE.threshold
        out[held] = scores[held, chosen]
    return out


def main() -> int:
    """Read the OOF and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/magnetic_tile.yaml"))
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--bar", type=float, default=0.5)
    args = parser.parse_args()
    config = load_config(args.config, args.set)
    competition = open_competition(config.data, config.model.in_channels)
    paths, names = RunPaths.of(config), competition.class_names
    scores: list[list[np.ndarray]] = [[] for _ in names]
    folds: list[list[int]] = [[] for _ in names]
    for fold in range(config.folds.count):
        labelled = iter_with_truth(paths.oof_parquet(fold), fold, competition)
        for image in tracked(labelled, len(competition.train) // config.folds.count, f"fold {fold}"):
            for index, truth in enumerate(image.truth):
                if truth.any():
                    scores[index].append(dice_by_threshold(image.oof.prob[index], truth))
                    folds[index].append(fold)
    print("| class | images | at 0.5 | honest | best | at |\n|---|---:|---:|---:|---:|---:|")
    rows = []
    for name, of_class, where in zip(names, scores, folds, strict=True):
        table = np.array(of_class).reshape(-1, LEVELS)
        if not len(table):
            continue
        means = table.mean(axis=0)
        best = 1 + int(means[1:].argmax())
        rows.append((means[DEFAULT_RULE.threshold], honest(table, np.array(where)).mean(), means[best]))
        cells = " | ".join(f"{value:.3f}" for value in rows[-1])
        print(f"| {name} | {len(table)} | {cells} | {best / (LEVELS - 1):.2f} |")
    mean = np.mean(rows, axis=0)
    print(f"| **mean** | | {' | '.join(f'{value:.3f}' for value in mean)} | |")
    text = "mean Dice where shown, thresholds from other folds"
    return 0 if claim(text, mean[1], args.bar, mean[1] >= args.bar) else 1


if __name__ == "__main__":
    sys.exit(main())
