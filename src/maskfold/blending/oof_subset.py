"""The OOF images that blend weights are chosen on: every member's maps and the truth, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskfold.data.competition import Competition
from maskfold.errors import DataError
from maskfold.oof.store import OofReader

_KEPT_BYTES = 2**28  # of all members' OOF files together, while images are picked from them


@dataclass(frozen=True)
class SampledImage:
    """One image: members (M, C, H, W) uint8 maps, q stands for q/255; truth, ignored: as in LabelledOof."""

    image_id: str
    fold: int
    members: np.ndarray
    truth: np.ndarray
    ignored: np.ndarray | None = None


def sample_images(
    oof_files: Sequence[Sequence[Path]], competition: Competition, sample_px: int, seed: int
) -> list[SampledImage]:
    """Images of every fold, drawn at random until their maps reach `sample_px`; all if they are fewer.

    oof_files: for each fold the file of every member. The draw depends on the seed, the fold and the names of the
    images alone. Raises DataError when a member's maps do not have the truth's shape.
    """
    sampled: list[SampledImage] = []
    for fold, files in enumerate(oof_files):
        with ExitStack() as stack:
            readers = [stack.enter_context(OofReader(file, _KEPT_BYTES // len(files))) for file in files]
            budget_px = sample_px // len(oof_files)
            drawn = drawn_images(readers[0].image_ids, competition, budget_px, [seed, fold])
            sampled += [_sampled(image_id, fold, readers, competition) for image_id in drawn]
    return sampled


def drawn_images(image_ids: Sequence[str], competition: Competition, budget_px: int, seed: list[int]) -> list[str]:
    """The images of a fold to choose weights on: at least one, in the order of `image_ids` (read fastest).

    budget_px: pixels of their maps, over all classes; seed: of the draw.
    """
    train = competition.train
    pixels = dict(zip(train["image_id"], train["height"] * train["width"] * len(competition.class_names), strict=True))
    order = np.random.default_rng(seed).permutation(sorted(image_ids)).tolist()
    ends = np.cumsum([pixels[image_id] for image_id in order])
    chosen = set(order[: max(1, int(np.searchsorted(ends, budget_px, side="right")))])
    return [image_id for image_id in image_ids if image_id in chosen]


def _sampled(image_id: str, fold: int, readers: Sequence[OofReader], competition: Competition) -> SampledImage:
    truth = competition.masks(image_id)
    maps = [reader.image(image_id).prob for reader in readers]
    for reader, prob in zip(readers, maps, strict=True):
        if prob.shape != truth.shape:
            raise DataError(
                [f"{reader.path}: image {image_id}: maps of shape {prob.shape}, the truth has {truth.shape}"]
            )
    return SampledImage(image_id, fold, np.stack(maps), truth, competition.ignored_in(image_id))
