"""How far a backend's outputs are from those of torch in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config
from maskfold.errors import StaleError
from maskfold.inference.batches import ImageBatch
from maskfold.inference.predict import original_size_maps
from maskfold.network.model import load_model
from maskfold.pixels.metrics import dice, mask_areas
from maskfold.rules.applying import apply_rules
from maskfold.rules.rules import DEFAULT_RULE
from maskfold.rules.tuned import TunedArtefact
from maskfold.speed.network import Subject
from maskfold.speed.process import WorkerProcess
from maskfold.speed.test_images import ShownImages
from maskfold.speed.torch_engine import Probabilities

Output = Sequence[np.ndarray]  # mask probabilities (N, C, H, W) and, with a classification head, (N, C)


@dataclass(frozen=True)
class Drift:
    """max_dp: largest difference of a mask probability.

    dice: mean Dice of the masks that are not empty in at least one of the two; None where all are empty, and without
    real images.
    """

    max_dp: float
    dice: float | None


def rules_of(config: Config) -> tuple[list, bool]:
    """The rule of each class and whether they are the run's tuned ones; threshold 0.5 where it is not tuned."""
    try:
        tuned = TunedArtefact.read(RunPaths.of(config).postprocess_json)
    except StaleError:
        return [DEFAULT_RULE] * len(config.data.class_names), False
    return [entry.rule for entry in tuned.classes], True


def drift(
    reference: Output, output: Output, batch: ImageBatch, rules: Sequence | None, exclusive: bool = False
) -> Drift:
    """The differences of two outputs for the images of a batch; without rules, the Dice is left out.

    The masks are made as a submission's: cropped, resized to the original size, quantised, and the rules applied.
    """
    max_dp = float(np.abs(reference[0] - output[0]).max())
    if rules is None:
        return Drift(max_dp, None)
    areas = []
    for ours, theirs in zip(*(_masks(each, batch, rules, exclusive) for each in (reference, output)), strict=True):
        areas += [mask_areas(*pair) for pair in zip(ours, theirs, strict=True)]
    # In many competitions most masks are empty in both; a perfect Dice for each would hide the differences.
    shown = np.array([each for each in areas if each[1] or each[2]], dtype=np.int64)
    return Drift(max_dp, float(dice(*shown.T).mean()) if len(shown) else None)


def _masks(output: Output, batch: ImageBatch, rules: Sequence, exclusive: bool) -> list[np.ndarray]:
    """The masks of each image, (C, H, W) uint8 at the original size."""
    maps = original_size_maps(torch.from_numpy(output[0]), batch)
    class_probs = output[1] if len(output) > 1 else [None] * len(maps)
    return [apply_rules(prob, rules, present, exclusive) for prob, present in zip(maps, class_probs, strict=True)]


class Comparison:
    """The outputs of torch in fp32, and how a backend's differ from them."""

    def __init__(self, subject: Subject, shown: ShownImages, batches: Sequence[Path]) -> None:
        config = subject.config
        model = load_model(subject.weights, config.model, len(config.data.class_names))
        network = Probabilities(model).eval()
        self.shown, self.batches, self.exclusive = shown, batches, config.data.exclusive
        self.rules = rules_of(config)[0] if shown.real else None
        with torch.inference_mode():
            self.reference = self._joined([[e.numpy() for e in network(torch.from_numpy(np.load(p)))] for p in batches])

    def figures(self, worker: WorkerProcess) -> dict[str, float | None]:
        """dice and max_dp of a backend."""
        output = self._joined([worker.predict(path) for path in self.batches])
        found = drift(self.reference, output, self.shown.batch, self.rules, self.exclusive)
        return {"dice": found.dice, "max_dp": found.max_dp}

    def _joined(self, outputs: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
        """The parts of all batches end to end, without those that filled the last one up."""
        count = len(self.shown.batch.image_ids)
        return [np.concatenate(parts)[:count] for parts in zip(*outputs, strict=True)]
