"""A tiny competition on disk, shared by the tests that need images."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.data.competition import Competition


class TinyMasks:
    """Masks of the tiny competition: class 0 is what is bright, class 1 what is dark."""

    def __init__(self, paths):
        self.paths = paths

    def __call__(self, image_id):
        grey = cv2.imread(self.paths[image_id], cv2.IMREAD_GRAYSCALE)
        return np.stack([grey > 200, grey < 50]).astype(np.uint8)


@pytest.fixture
def tiny_competition(tmp_path):
    """Twelve training and five test images of mixed sizes; a third shows a bright square, a third a dark one."""
    rng = np.random.default_rng(0)
    tables = {}
    for split, count in (("train", 12), ("test", 5)):
        rows = []
        for number in range(count):
            height, width = [(40, 64), (64, 64), (50, 90)][number % 3]
            grey = rng.integers(100, 150, (height, width), dtype=np.uint8)
            if number % 3 < 2:
                grey[10:30, 20:40] = (255, 0)[number % 3]
            path = tmp_path / f"{split}{number}.png"
            cv2.imwrite(str(path), grey)
            rows.append((f"{split}{number}.png", str(path), height, width))
        tables[split] = pd.DataFrame(rows, columns=["image_id", "path", "height", "width"])
    paths = dict(zip(tables["train"]["image_id"], tables["train"]["path"], strict=True))
    return Competition(("bright", "dark"), tables["train"], tables["test"], TinyMasks(paths))
