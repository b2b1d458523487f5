"""A tuned run whose OOF predictions nobody trained for, as large as wanted, for tests and benchmarks of the report."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pandas as pd

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment, FoldsConfig, ReportConfig, RleCsvData, TuningConfig
from maskfold.data.competition import Competition
from maskfold.network.trained import model_names
from maskfold.oof.store import OofWriter
from maskfold.stages.tune_thresholds import tune
from maskfold.submission.writing import encode_image, write_submission

CLASSES = ("bright", "dark")
EVIL_NAMES = (
    "<img src=x onerror=alert(1)>.png",
    '"><script>alert(1)</script>.png',
    "</script><b>'\"\\d/../e.png",
    "käse \u2028 図&amp;.png",
    "__proto__",
    "NA",
)
_SIZES = ((64, 96), (96, 64), (48, 96))


class RunMasks:
    """Masks of the run's images: a disc (bright), a band (dark) and, of further classes, squares in a row.

    All places are functions of the number.
    """

    def __init__(self, numbers, sizes, class_count=2):
        self.numbers, self.sizes, self.class_count = numbers, sizes, class_count

    def __call__(self, image_id):
        number = self.numbers[image_id]
        height, width = self.size(number)
        masks = np.zeros((self.class_count, height, width), np.uint8)
        side = max(4, width // self.class_count)
        for k in range(2, self.class_count):
            if (number + k) % 3:
                left = (k - 2) * side
                masks[k, height // 2 : height // 2 + side + k, left : left + side] = 1
        if number % 4 in (0, 2):
            cv2.circle(masks[0], disc_centre(number, height, width), 6 + number % 7, 1, -1)
        if number % 4 in (1, 2):
            masks[1, -12 - number % 5 : -4, 4 : width // 2] = 1
        return masks

    def size(self, number):
        return self.sizes[number % len(self.sizes)]


def disc_centre(number, height, width):
    """(x, y) px of the disc."""
    return width // 2 + number % 11, height // 3 + number % 5


def predicted(number, masks):
    """(C, H, W) uint8 probabilities: the truth, shifted and blurred; one in seven misses all, some raise alarms."""
    if number % 7 == 6:
        return 0 * masks
    shown = masks.copy()
    if number % 8 == 3:
        cv2.circle(shown[0], disc_centre(number, *shown.shape[1:]), 9, 1, -1)
    moved = np.roll(shown, 2, axis=2)
    return np.stack([cv2.GaussianBlur(mask * np.uint8(255), (7, 7), 0) for mask in moved])


def write_run(
    root, images=24, test_images=6, sizes=_SIZES, evil=EVIL_NAMES[:1], threads=1, classes=CLASSES, **settings
):
    """Write photos, OOF, histories and a submission below `root`, and tune; returns (config, competition).

    evil: names of the first training images, and of the first test image; classes: the first two are those of
    CLASSES, whatever they are called; settings: sections of the config.
    """
    names = [*evil, *(f"image{number:05d}.png" for number in range(len(evil), images))]
    test_names = [*evil[:1], *(f"test{number:05d}.png" for number in range(len(evil[:1]), test_images))]
    masks, test_masks = (
        RunMasks({name: k for k, name in enumerate(each)}, sizes, len(classes)) for each in (names, test_names)
    )
    train, test = (_write_photos(root / part, each, threads) for part, each in (("train", masks), ("test", test_masks)))
    competition = Competition(tuple(classes), train, test, masks)
    given = {
        "name": "x",
        "output_root": str(root),
        "data": RleCsvData(root="x", class_names=tuple(classes)),
        "folds": FoldsConfig(count=2),
        "tuning": TuningConfig(trials=2, bootstrap_samples=100),
        "report": ReportConfig(examples=2),
    }
    config = Experiment(**given | settings)
    _write_artefacts(config, names, masks, classes)
    answers = (
        (name, k, text) for name in test_names for k, text in enumerate(encode_image(test_masks(name), "column"))
    )
    write_submission(answers, competition, config.submission, RunPaths.of(config).submission("image"))
    tune(config, competition)
    return config, competition


def _write_photos(folder, masks, threads):
    """The photos of all images, and their table."""
    folder.mkdir(parents=True)

    def write(item):
        name, number = item
        height, width = masks.size(number)
        bright, dark, *others = masks(name).astype(bool)
        grey = np.random.default_rng(number).integers(100, 150, (height, width), dtype=np.uint8)
        for k, other in enumerate(others):
            grey[other] = 60 + 12 * k
        grey[bright], grey[dark] = 230, 20
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), grey, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        return name, str(path), height, width

    with ThreadPoolExecutor(threads) as pool:
        rows = list(pool.map(write, masks.numbers.items()))
    return pd.DataFrame(rows, columns=["image_id", "path", "height", "width"])


def _write_artefacts(config, names, masks, classes):
    """The OOF and a history of every fold."""
    paths = RunPaths.of(config)
    for fold, fold_name in enumerate(model_names(config)):
        with OofWriter(paths.oof_parquet(fold), len(classes), {"checkpoint": fold_name, "tta": "hflip"}) as writer:
            for number in range(fold, len(names), config.folds.count):
                prob = predicted(number, masks(names[number]))
                class_prob = np.array([prob[k].max() / 255 for k in range(len(classes))], np.float32)
                writer.write(names[number], fold, prob, class_prob)
        paths.training(fold).mkdir(parents=True)
        history = {
            "epoch": [0, 1],
            "train_loss": [1.0, 0.5],
            "valid_loss": [math.nan, 0.6],
            "valid_metric": [0.5, 0.75],
        }
        rest = {"learning_rate": 1e-3, "seconds": 30.0, "peak_memory_mb": 1000}
        dice = {f"dice_{name}": 0.5 / (k + 1) for k, name in enumerate(classes)}
        pd.DataFrame({**history, **rest, **dice}).to_csv(paths.history_csv(fold), index=False)
