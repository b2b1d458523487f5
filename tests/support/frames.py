"""A competition of short clips in colour, for tests of neighbours: a disc of no colour of its own that moves."""

from __future__ import annotations

import cv2
import numpy as np

from maskfold.config import Experiment

SIZE = (32, 96)
PATTERN = r"(?P<volume>.+)_(?P<index>\d+)"


def frame(clip, index):
    """(image (H, W, 3) uint8, mask (H, W) uint8 in {0, 255}) of one frame; every frame differs from all others."""
    image = np.random.default_rng([clip, 0]).integers(60, 120, (*SIZE, 3), dtype=np.uint8)
    mask = cv2.circle(np.zeros(SIZE, np.uint8), (12 + 8 * index, 10 + 3 * clip), 7, 255, -1)
    image[mask > 0] += np.uint8(40 + 10 * index)
    return image, mask


def write_clips(root, train=4, test=2, frames=4):
    """Write train/, train_mask/ and test/ of clips of as many frames."""
    for folder, clips in (("train", range(train)), ("test", range(train, train + test))):
        for part in (folder, f"{folder}_mask"):
            (root / part).mkdir(parents=True)
        for clip in clips:
            for index in range(frames):
                image, mask = frame(clip, index)
                cv2.imwrite(str(root / folder / f"{clip}_{index}.png"), image[:, :, ::-1])
                cv2.imwrite(str(root / f"{folder}_mask" / f"{clip}_{index}.png"), mask)


def clips_config(root, **changes):
    """An experiment on the clips below `root`/data that sees a frame before and after each; changes: of sections."""
    sections = {
        "data": {"format": "mask_folders", "root": str(root / "data"), "volumes": {"name": PATTERN}},
        "folds": {"count": 2},
        "model": {
            "encoder": "tu-mobilenetv3_small_050",
            "encoder_weights": None,
            "decoder_channels": (32, 24, 16, 8, 8),
            "neighbours": {},
        },
        "train": {"epochs": 2, "batch_size": 4, "workers": 0, "accelerator": "cpu", "augmentation": "heavy"},
        "tuning": {"trials": 2, "bootstrap_samples": 100},
        "submission": {"columns": ("id", "rle_mask"), "layout": "image"},
        "report": {"examples": 1},
    }
    merged = {name: section | changes.pop(name, {}) for name, section in sections.items()}
    return Experiment.model_validate({"name": "clips", "output_root": str(root)} | merged | changes)
