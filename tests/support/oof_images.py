"""Random OOF images with their truths, and a grid of minimum areas for them."""

from __future__ import annotations

import numpy as np

from maskfold.oof.store import OofImage
from maskfold.oof.with_truth import LabelledOof
from maskfold.tuning.tables.score_tables import area_grid
from support.brute_force import KINDS, random_map

GRID = area_grid(30 * 40, 32, 1.2)


def images(seed, count=8, class_prob=False, with_ignored=False):
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        height, width = int(rng.integers(1, 30)), int(rng.integers(1, 40))
        prob = np.stack([random_map(KINDS[(number + index) % len(KINDS)], rng, height, width) for index in range(2)])
        truth = np.stack([(random_map("blobs", rng, height, width) > 60).astype(np.uint8) for _ in range(2)])
        present = rng.random(2).astype(np.float32) if class_prob else None
        ignored = (random_map("blobs", rng, height, width) > 90).astype(np.uint8) if with_ignored else None
        truth = truth if ignored is None else truth * (1 - ignored)
        made.append(LabelledOof(OofImage(f"{seed}-{number}", seed, prob, present), truth, ignored))
    return made
