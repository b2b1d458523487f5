"""How models are trained: batch, epochs, learning rates, augmentation, sampling, loss."""

from __future__ import annotations

import math

from maskfold.execution.text import class_words
from maskfold.planning.clock import Clock, most_draws
from maskfold.planning.constants import (
    BATCHES,
    CLASS_BALANCE,
    DECODER_RATE,
    DEFECT_CROPS,
    EMPTY_SHARE,
    ENCODER_RATE,
    EPOCH_STEPS,
    EPOCHS_IN_TRAINING,
    HEAVY_EPOCHS,
    LEAST_STEPS,
    LIGHT_EPOCHS,
    MEMORY_SHARE,
    NON_EMPTY_DRAWN,
    RANDOM_RATE,
    RARE_SHARE,
    RATE_BATCH,
    SMALL_COVERAGE,
    SPARE_EPOCHS,
    UNBALANCED,
)
from maskfold.planning.draft import Draft
from maskfold.planning.facts.fingerprint import Fingerprint
from maskfold.planning.facts.symmetry import plausible
from maskfold.planning.input_sizes import InputSize
from maskfold.planning.machine import Machine
from maskfold.planning.speed import Speed


def choose_batch(draft: Draft, clock: Clock, size: InputSize, speed: Speed, machine: Machine) -> int:
    """The largest batch that fits the memory and still gives enough steps; raises nothing, 2 always remains."""
    free = MEMORY_SHARE * (machine.gpu_ram if machine.gpus else machine.ram)
    image = speed.step_bytes * size.px / speed.px
    sizes = BATCHES[machine.kind]
    fitting = [batch for batch in sizes if batch * image <= free] or [sizes[-1]]
    enough = [batch for batch in fitting if clock.main_draws / batch >= LEAST_STEPS]
    batch = enough[0] if enough else fitting[-1]
    steps = f"about {clock.main_draws / batch:,.0f} steps in {clock.main / 60:.1f} minutes"
    limit = "the largest that is useful here" if batch == sizes[0] else "larger ones would leave too few steps"
    if batch == fitting[0] != sizes[0]:
        limit = f"larger ones would not fit the memory ({image / 2**20:.0f} MB an image)"
    return int(draft.choose("train.batch_size", batch, f"{limit}: {steps}"))


def choose_epochs(draft: Draft, clock: Clock, trained: int, batch: int) -> None:
    """The length of an epoch and the most epochs, which the clock may end earlier.

    trained: images in the training of a model.
    """
    draws = int(draft.value("train.sampling.draws_per_epoch") or trained)
    if trained < EPOCH_STEPS * batch:
        reason = f"{trained} images are few: an epoch draws them several times"
        draws = int(draft.choose("train.sampling.draws_per_epoch", EPOCH_STEPS * batch, reason))
    elif clock.main_draws < EPOCHS_IN_TRAINING * trained:
        reason = f"{trained:,} images are many for {clock.main / 60:.1f} minutes: an epoch is a part of them"
        part = max(batch, math.floor(clock.main_draws / EPOCHS_IN_TRAINING / batch) * batch)
        draws = int(draft.choose("train.sampling.draws_per_epoch", part, reason))
    expected = clock.main_draws
    most = most_draws(trained, batch)
    epochs = max(1, math.ceil(min(SPARE_EPOCHS * expected, most) / draws))
    ends = (
        "the clock ends it earlier" if SPARE_EPOCHS * expected < most else "more would only learn the images by heart"
    )
    draft.choose("train.epochs", epochs, f"at most; {ends}")
    draft.choose("train.validate_every", None, "validation would take time from training; the OOF scores tell more")
    draft.choose("train.select", "last", "the schedule ends at its best, and no epoch is chosen on the held-out images")


def choose_rates(draft: Draft, batch: int, steps: float) -> None:
    """Learning rates, which follow the square root of the batch and are higher in a training of few steps.

    steps: expected in the training of a model.
    """
    for key, (rate, reason) in _rates(draft, batch, steps).items():
        draft.choose(key, rate, reason)


def first_run_rates(draft: Draft, clock: Clock) -> dict[str, float]:
    """The learning rates of the first, shorter run, as keys of `train`; none that the user set."""
    batch = int(draft.value("train.batch_size"))
    rates = _rates(draft, batch, clock.first_draws / batch)
    return {key.removeprefix("train."): rate for key, (rate, _) in rates.items() if not draft.is_given(key)}


def _rates(draft: Draft, batch: int, steps: float) -> dict[str, tuple[float, str]]:
    """Key -> learning rate and reason."""
    factor = (batch / RATE_BATCH) ** 0.5
    scaled = "" if batch == RATE_BATCH else f", scaled to a batch of {batch}"
    if draft.value("model.encoder_weights") is None:
        reason = f"random weights learn from large steps{scaled}"
        return {"train.learning_rate": (_rounded(RANDOM_RATE * factor), reason)}
    # Few steps need larger rates, but none above those of RATE_BATCH (docs/results.md).
    raised = max(factor, min(1.0, factor * LEAST_STEPS / max(1.0, steps)))
    if raised > factor:
        scaled += f" and raised for so few steps (about {steps:,.0f})"
    return {
        "train.learning_rate": (_rounded(DECODER_RATE * raised), f"as in the measured configs{scaled}"),
        "train.encoder_learning_rate": (_rounded(ENCODER_RATE * raised), "a pretrained encoder needs less"),
    }


def choose_augmentation(draft: Draft, facts: Fingerprint, epochs: float) -> tuple[str, ...]:
    """The preset by the length of the training, the flips by the symmetry of the data; the flips."""
    preset = "light" if epochs < LIGHT_EPOCHS else "heavy" if epochs >= HEAVY_EPOCHS else "medium"
    draft.choose("train.augmentation", preset, f"every image is seen about {epochs:.0f} times")
    kept, words = [], []
    for flip, (share, images) in facts.symmetry.items():
        fits = plausible(share, images, flip)
        kept += [flip] if fits else []
        words.append(f"{flip} {share:.3f}{'' if fits else ', too much'}")
    reason = f"share of the masks' position that differs from the flipped image in all images alike: {'; '.join(words)}"
    flips = draft.choose("train.flips", tuple(kept), reason)
    return tuple(flips)


def choose_sampling(draft: Draft, facts: Fingerprint, size: InputSize) -> None:
    """More non-empty images where empties are common, more of the rare classes, crops on objects."""
    if facts.empty_share >= EMPTY_SHARE and facts.empty_share < 1:
        reason = f"{facts.empty_share:.0%} of the images are empty"
        draft.choose("train.sampling.non_empty_share", NON_EMPTY_DRAWN, reason)
    counts = {each.name: each.images for each in facts.classes if each.images}
    if counts and max(counts.values()) >= UNBALANCED * min(counts.values()):
        rare, common = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        reason = f"{class_words(rare)} is in {counts[rare]} images, {class_words(common)} in {counts[common]}"
        draft.choose("train.sampling.class_balance", CLASS_BALANCE, reason)
    if size.crop is not None and facts.coverage < SMALL_COVERAGE:
        reason = f"masks cover {facts.coverage:.1%} of a non-empty image: crops elsewhere show mostly background"
        draft.choose("train.sampling.defect_crop_share", DEFECT_CROPS, reason)


def choose_loss(draft: Draft, facts: Fingerprint) -> None:
    """BCE + Dice, or with log-Dice where a class is rare (docs/results.md, «What each piece is worth»)."""
    rare = [each for each in facts.classes if 0 < each.images < RARE_SHARE * facts.images]
    if not rare:
        return
    names = ", ".join(f"{each.name} ({each.images} images)" for each in rare)
    draft.choose("train.loss.dice", 0.0, "replaced by log-Dice")
    draft.choose("train.loss.log_dice", 1.0, f"rare classes: {names}; it finds most of them (docs/results.md)")


def _rounded(rate: float) -> float:
    """Two digits."""
    return float(f"{rate:.2g}")
