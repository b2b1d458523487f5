"""Images whose look or size stands out: each kind alone, and all of them planted among ordinary ones."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.audit.data.unusual import KINDS, unusual_images
from maskfold.audit.images.image_facts import STATISTICS, measure_image
from maskfold.data.images.photo import Photo


def photo(rng, height=96, width=128):
    """(height, width) uint8: noise of all sizes as photos have it, of some brightness and contrast, and some edges."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :]
    spectrum = np.fft.fft2(rng.standard_normal((height, width))) / np.maximum(np.hypot(rows, columns), 1 / width)
    noise = np.real(np.fft.ifft2(spectrum))
    grey = rng.uniform(90, 160) + rng.uniform(18, 40) * noise / noise.std()
    for _ in range(3):
        centre = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(grey, centre, int(rng.integers(height // 20, height // 5)), float(rng.uniform(20, 235)), -1)
    return np.clip(grey, 0, 255).astype(np.uint8)


FAULTS = {
    "blank": lambda rng, grey: np.full_like(grey, rng.integers(256)),
    "dark": lambda rng, grey: (grey * rng.uniform(0.1, 0.28)).astype(np.uint8),
    "bright": lambda rng, grey: (255 - (255 - grey.astype(float)) * rng.uniform(0.02, 0.04)).astype(np.uint8),
    "low_information": lambda rng, grey: np.where(grey > np.percentile(grey, 85), 200, grey // 64).astype(np.uint8),
    "blurred": lambda rng, grey: cv2.GaussianBlur(grey, (0, 0), rng.uniform(2, 5)),
    "odd_size": lambda rng, grey: photo(rng, *rng.choice([(48, 64), (240, 320)])),
    "odd_shape": lambda rng, grey: photo(rng, *rng.choice([(46, 260), (260, 46)])),
}


def measured(folder, pictures):
    """The table of some images as the audit has it."""
    rows = []
    for name, grey in pictures.items():
        path = folder / f"{name}.png"
        cv2.imwrite(str(path), grey)
        facts = measure_image(Photo(path), *grey.shape)
        row = {"image_id": name, "split": "train", "height": facts.height, "width": facts.width}
        rows.append(row | {"entropy": facts.entropy} | dict(zip(STATISTICS, facts.statistics, strict=True)))
    return pd.DataFrame(rows)


def test_what_is_planted_among_ordinary_images_is_named_and_nothing_else(tmp_path):
    rng = np.random.default_rng(0)
    pictures = {f"ordinary{number}": photo(rng) for number in range(200)}
    for kind, spoil in FAULTS.items():
        pictures |= {f"{kind}{number}": spoil(rng, photo(rng)) for number in range(6)}
    found = unusual_images(measured(tmp_path, pictures))
    assert set(found["image_id"]) == {name for name in pictures if not name.startswith("ordinary")}
    for kind in KINDS:  # precision and recall are 1
        named = found.loc[found["kind"] == kind, "image_id"]
        assert sorted(named) == [f"{kind}{number}" for number in range(6)], kind


def table(**columns):
    """Images of ordinary looks, but for these columns."""
    ordinary = {"height": 60, "width": 80, "entropy": 7.0, "mean": 120.0, "std": 30.0, "sharpness": 6.0}
    ordinary |= {"p01": 20.0, "p05": 40.0, "p99": 220.0, "split": "train"}
    count = len(next(iter(columns.values())))
    return pd.DataFrame({"image_id": [f"i{number}" for number in range(count)]} | ordinary | columns)


@pytest.mark.parametrize(
    ("columns", "kind", "limits"),
    [
        ({"p99": [81.0, 82.0], "p01": [0.0, 0.0]}, "dark", (81.6, None)),
        ({"p05": [243.0, 242.0], "p99": [255.0, 255.0]}, "bright", (None, 242.25)),
        ({"entropy": [2.9, 3.0]}, "low_information", (3.0, None)),
        ({"p01": [10.0, 10.0], "p99": [10.0, 11.0], "entropy": [0.1, 5.0], "mean": [10.0, 10.0]}, "blank", (1, None)),
    ],
)
def test_the_limits_of_kinds_that_need_no_other_images(columns, kind, limits):
    found = unusual_images(table(**columns)).iloc[:1]
    assert found[["image_id", "kind"]].to_numpy().tolist() == [["i0", kind]]
    low, high = found[["low", "high"]].iloc[0]
    assert [None if np.isnan(low) else low, None if np.isnan(high) else high] == pytest.approx(list(limits))


def test_sizes_are_compared_with_the_set():
    strips = {"height": [256] * 40, "width": [1600] * 40}
    assert unusual_images(table(**strips)).empty  # all of a shape that would be odd among photos
    strips["width"][7] = 1300  # in logarithms 0.21 less, the root of the area 0.10; up to 3 * 0.05 is usual
    found = unusual_images(table(**strips))
    assert found[["image_id", "kind"]].to_numpy().tolist() == [["i7", "odd_shape"]]
    few = {name: values[:19] for name, values in strips.items()}
    assert unusual_images(table(**few)).empty
