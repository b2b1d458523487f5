"""Copies among the images become groups; nothing does that would take too long."""

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.data.competition import Competition
from maskfold.planning.facts.copies import find_copies


def competition(folder, seeds, test_seeds=()):
    """Images of blurred noise, equal where their seeds are."""
    rows = []
    for number, seed in enumerate([*seeds, *test_seeds]):
        noise = np.random.default_rng(seed).normal(128, 300, (64, 64)).astype(np.float32)
        image = np.clip(cv2.GaussianBlur(noise, (0, 0), 3), 0, 255).astype(np.uint8)
        path = folder / f"i{number}.png"
        cv2.imwrite(str(path), image)
        rows.append({"image_id": path.name, "path": str(path), "height": 64, "width": 64})
    table = pd.DataFrame(rows)
    return Competition(("mask",), table[: len(seeds)], table[len(seeds) :].reset_index(drop=True), None)


@pytest.fixture
def twelve():
    """Twelve seeds, of which the first two, and the third and fourth, are alike."""
    return [0, 0, 1, 1, *range(2, 10)]


def test_copies_share_a_group(tmp_path, twelve):
    found = find_copies(competition(tmp_path, twelve), 1000, 1)
    groups = found.groups["GroupId"].tolist()
    assert groups[0] == groups[1] != groups[2] == groups[3]
    assert len(set(groups)) == 10
    assert "4 training images in 2 groups" in found.words
    assert found.leaks == 0


def test_copies_of_training_images_among_the_test_images_are_leaks(tmp_path):
    found = find_copies(competition(tmp_path, range(10), test_seeds=[3, 50]), 1000, 1)
    assert found.groups is None
    assert found.leaks == 1
    assert "1 of the test images look like" in found.words


def test_images_that_are_all_alike_are_no_groups(tmp_path):
    found = find_copies(competition(tmp_path, [0] * 8 + [1, 2, 3]), 1000, 1)
    assert found.groups is None
    assert "too many to keep in one fold" in found.words


def test_no_time(tmp_path, twelve):
    found = find_copies(competition(tmp_path, twelve), 0, 1)
    assert found.groups is None
    assert "were not looked for" in found.words
