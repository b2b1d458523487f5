"""Which images an epoch draws: every draw is a function of (seed, fold, epoch) alone.

So the draws depend neither on how many processes share them nor on the epoch at which a training was resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from maskfold.config import SamplingConfig, SubsetConfig, TrainConfig
from maskfold.training.samples.mixing import Mix, Source, draw_mixes

ANY_CLASS = -1
MIXING = 1  # tells the random numbers of mixing from those of the draws


class Draw(NamedTuple):
    """One training sample to make: the `number`-th draw of an epoch is a crop of training image `image`.

    target: the class that a crop on an object must contain; ANY_CLASS: any class of the image; mix: what comes from
    other images.
    """

    epoch: int
    number: int
    image: int
    target: int
    mix: Mix = Mix()


class PseudoRows(NamedTuple):
    """The last `images` training images are pseudo-labelled; max_share: their largest share of an epoch's draws."""

    images: int
    max_share: float


class EpochSampler(Sampler[Draw]):
    """The draws of an epoch, with the sampling settings of the epoch's phase.

    presence: (images, classes) bool, which classes are in each training image. With several processes each takes every
    world-th draw, so that together they cover the epoch; if they do not divide evenly, the first ones are repeated,
    because processes with unequal numbers of batches would wait for each other for ever. Lightning calls `set_epoch`.
    """

    def __init__(
        self,
        presence: np.ndarray,
        train: TrainConfig,
        seed: int,
        fold: int,
        rank: int = 0,
        world: int = 1,
        pseudo: PseudoRows | None = None,
        class_names: Sequence[str] = (),
    ) -> None:
        """class_names: as `train.mixing.copy_paste_classes` names them."""
        self.pseudo, self.class_names = pseudo, class_names
        self.presence, self.phases = presence, train.phases()
        self.seed, self.fold, self.rank, self.world = seed, fold, rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose draws come next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return draws_of(self.presence, self.phases[phase_at(self.phases, self.epoch)[0]], self.world)

    def __iter__(self) -> Iterator[Draw]:
        rng = np.random.default_rng([self.seed, self.fold, self.epoch])
        index, epoch_in_phase = phase_at(self.phases, self.epoch)
        sampling, epochs = self.phases[index].sampling, self.phases[index].epochs
        share = share_at(sampling, epoch_in_phase, epochs)
        images, targets = draw_images(self.presence, sampling, share, rng)
        if self.pseudo is not None:
            images, targets = cap_pseudo(images, targets, self.presence, self.pseudo, rng)
        mixes = self._mixes(index, images, targets)
        for number in range(self.rank, len(self) * self.world, self.world):
            row = number % len(images)
            yield Draw(self.epoch, number, int(images[row]), int(targets[row]), mixes[row])

    def _mixes(self, phase: int, images: np.ndarray, targets: np.ndarray) -> list[Mix]:
        """What is mixed into each draw of the epoch; pseudo-labelled images give no objects."""
        mixing = self.phases[phase].mixing
        if not mixing.joins:
            return [Mix()] * len(images)
        # Numbers of its own, so that mixing changes neither which images are drawn nor how they are cropped.
        rng = np.random.default_rng([self.seed, self.fold, self.epoch, MIXING])
        draws = [Source(*pair) for pair in zip(images.tolist(), targets.tolist(), strict=True)]
        true = self.presence[: len(self.presence) - (0 if self.pseudo is None else self.pseudo.images)]
        return draw_mixes(mixing, draws, true, self.class_names, rng)


def phase_at(phases: list[TrainConfig], epoch: int) -> tuple[int, int]:
    """(phase, epoch within it) of an epoch of the whole training, all counted from 0."""
    for index, phase in enumerate(phases):
        if epoch < phase.epochs:
            return index, epoch
        epoch -= phase.epochs
    return len(phases) - 1, phases[-1].epochs  # lightning asks once more after the last epoch


def draws_of(presence: np.ndarray, phase: TrainConfig, world: int = 1) -> int:
    """The number of draws of an epoch that each of `world` processes makes."""
    return -(-(phase.sampling.draws_per_epoch or len(presence)) // world)


def share_at(sampling: SamplingConfig, epoch: int, epochs: int) -> float | None:
    """The share of non-empty images at an epoch of `epochs`: in equal steps from the first share to the final one."""
    first, final = sampling.non_empty_share, sampling.final_non_empty_share
    if first is None or final is None:
        return first
    return first + (final - first) * min(epoch, epochs - 1) / max(1, epochs - 1)


def draw_images(
    presence: np.ndarray, sampling: SamplingConfig, share: float | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The images of an epoch in random order, and the class each is drawn for (ANY_CLASS without class balance).

    presence: (images, classes) bool. Returns two (draws,) int64 arrays. The numbers of draws of two images of one kind
    (empty, non-empty, or of one class) differ by at most one.
    """
    count = sampling.draws_per_epoch or len(presence)
    has_mask = presence.any(axis=1)
    non_empty, empty = np.flatnonzero(has_mask), np.flatnonzero(~has_mask)
    if not len(non_empty) or (share is None and not sampling.class_balance):
        images = _repeat(np.arange(len(presence)), count, rng)
        return images, np.full(count, ANY_CLASS)
    wanted = count if not len(empty) else round((has_mask.mean() if share is None else share) * count)
    if sampling.class_balance:
        images, targets = _balanced(presence, wanted, sampling.class_balance, rng)
    else:
        images, targets = _repeat(non_empty, wanted, rng), np.full(wanted, ANY_CLASS)
    images = np.concatenate([images, _repeat(empty, count - wanted, rng)])
    targets = np.concatenate([targets, np.full(count - wanted, ANY_CLASS)])
    order = rng.permutation(count)
    return images[order], targets[order]


def cap_pseudo(
    images: np.ndarray, targets: np.ndarray, presence: np.ndarray, pseudo: PseudoRows, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The draws of `draw_images`, with pseudo-labelled images beyond their share replaced by images with true labels.

    Each is replaced by an image of the same kind: one with the class it was drawn for, else an empty or a non-empty one
    as it is itself; if no image with true labels is of that kind, by any.
    """
    first = len(presence) - pseudo.images
    excess = np.flatnonzero(images >= first)[int(pseudo.max_share * len(images)) :]
    images, targets = images.copy(), targets.copy()
    has_mask = np.asarray(presence.any(axis=1))
    kinds = np.stack([targets[excess], has_mask[images[excess]]], axis=1)
    for target, non_empty in np.unique(kinds, axis=0).tolist():
        draws = excess[(kinds == (target, non_empty)).all(axis=1)]
        alike = has_mask[:first] == bool(non_empty) if target == ANY_CLASS else presence[:first, target]
        if not alike.any():
            alike, targets[draws] = np.ones(first, dtype=bool), ANY_CLASS
        images[draws] = _repeat(np.flatnonzero(alike), len(draws), rng)
    return images, targets


def _balanced(
    presence: np.ndarray, count: int, balance: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`count` non-empty images by class; the share of a class with n images is proportional to n ** (1 - balance)."""
    images_of = presence.sum(axis=0)
    weight = np.where(images_of > 0, np.maximum(images_of, 1.0) ** (1 - balance), 0.0)
    ends = np.round(np.cumsum(weight) / weight.sum() * count).astype(int)
    quotas = np.diff(ends, prepend=0)
    images = [_repeat(np.flatnonzero(presence[:, index]), quota, rng) for index, quota in enumerate(quotas)]
    return np.concatenate(images), np.repeat(np.arange(len(quotas)), quotas)


def _repeat(images: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` of `images` in random order; how often each is drawn differs by at most one."""
    if not count:
        return images[:0]
    rounds = -(-count // len(images))
    return np.concatenate([rng.permutation(images) for _ in range(rounds)])[:count]


def subset_rows(presence: np.ndarray, subset: SubsetConfig | None, seed: int, fold: int) -> np.ndarray:
    """Rows of the training images that take part, ascending: all, or a balanced subset.

    presence: (images, classes) bool. The rarest class chooses first; an image counts for every class in it. After the
    Severstal notebooks that train on 500 empty images and at least 125 of each class.
    """
    if subset is None:
        return np.arange(len(presence))
    rng = np.random.default_rng([seed, fold])
    has_mask = presence.any(axis=1)
    empty = rng.permutation(np.flatnonzero(~has_mask))[: subset.empty]
    if subset.per_class is None:
        return np.sort(np.concatenate([empty, np.flatnonzero(has_mask)]))
    chosen = np.zeros(len(presence), dtype=bool)
    chosen[empty] = True
    for index in np.argsort(presence.sum(axis=0), kind="stable"):
        candidates = rng.permutation(np.flatnonzero(presence[:, index] & ~chosen))
        missing = subset.per_class - int((presence[:, index] & chosen).sum())
        chosen[candidates[: max(0, missing)]] = True
    return np.flatnonzero(chosen)
