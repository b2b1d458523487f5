"""The trained models of a run as one: all folds of an experiment, all members of a blend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.artefacts.files import folder_fingerprint
from maskfold.artefacts.paths import RunPaths, display
from maskfold.blending.combining import combine_class_probs, combine_maps
from maskfold.config import Combine, Config, Experiment, ModelConfig
from maskfold.errors import StaleError
from maskfold.inference.batches import ImageBatch
from maskfold.inference.predict import Ensemble, Prediction
from maskfold.network.model import SegmentationModel, load_model
from maskfold.network.trained import equal_weights, model_names

_CHUNK_PX = 2**27  # of the maps of one member that wait for those of the others, one byte each


@dataclass(frozen=True)
class MemberEnsemble:
    """The ensembles of all members of a blend, or the one ensemble of an experiment, as one.

    Each member predicts as it predicted its OOF: with its own views and sizes, the mean over its models rounded to
    8 bits before the members are combined. shares: how much each member counts, of any sum above 0.
    """

    members: Sequence[Ensemble]
    shares: Sequence[float]
    combine: Combine
    class_count: int

    def prepare(self, image_ids: list[str], images: Sequence[np.ndarray]) -> list[ImageBatch]:
        """Images of one size, (H, W, in_channels) uint8 each, as each member sees them."""
        return [member.prepare(image_ids, images) for member in self.members]

    def predict(self, batches: Sequence[ImageBatch]) -> list[Prediction]:
        """The predictions of prepared images, in their order; batches: one a member."""
        found = [member.predict(batch) for member, batch in zip(self.members, batches, strict=True)]
        return [self._combined(parts) for parts in zip(*found, strict=True)]

    def predict_images(self, images: pd.DataFrame) -> Iterator[Prediction]:
        """Stream the predictions of a table of images (image_id, path, height, width)."""
        if len(self.members) == 1:
            yield from self.members[0].predict_images(images)
            return
        for chunk in _chunks(images, self.class_count):
            found = [{each.image_id: each for each in member.predict_images(chunk)} for member in self.members]
            for image_id in chunk["image_id"]:
                yield self._combined([predictions[image_id] for predictions in found])

    def _combined(self, parts: Sequence[Prediction]) -> Prediction:
        """One image's predictions by all members as one."""
        prob = combine_maps([part.prob for part in parts], self.shares, self.combine)
        return Prediction(
            parts[0].image_id, prob, combine_class_probs([part.class_prob for part in parts], self.shares)
        )


def trained_ensemble(
    config: Config,
    weights: Mapping[str, float],
    chosen: Sequence[int] | None = None,
    digests: Mapping[str, str] | None = None,
) -> MemberEnsemble:
    """All trained models of a run; members of a blend without weight are left out.

    weights: fold0 -> weight, or of a blend member -> weight;
    chosen: the models of each experiment to use, None for all; their weights are scaled to a sum of 1;
    digests: fold0, of a blend <member>/fold0 -> SHA-256 of the weights; None where the caller records none.
    Raises StaleError for weights that are missing or do not fit.
    """
    classes = len(config.data.class_names)
    if isinstance(config, Experiment):
        return MemberEnsemble([_loaded(config, weights, chosen, digests)], [1.0], "mean", classes)
    members = [member for member in config.experiments if weights[member.name] > 0]
    ensembles = [_loaded(member, equal_weights(member), chosen, _of(member, digests)) for member in members]
    return MemberEnsemble(ensembles, [weights[member.name] for member in members], config.blend.combine, classes)


def _of(member: Experiment, digests: Mapping[str, str] | None) -> dict[str, str] | None:
    """fold0 -> SHA-256 of a member's weights."""
    if digests is None:
        return None
    start = f"{member.name}/"
    return {name.removeprefix(start): digest for name, digest in digests.items() if name.startswith(start)}


def _loaded(
    config: Experiment,
    weights: Mapping[str, float],
    chosen: Sequence[int] | None,
    digests: Mapping[str, str] | None,
) -> Ensemble:
    """One experiment's models for images without labels, or the chosen ones, and their weights."""
    paths, names = RunPaths.of(config), model_names(config)
    used = config.test_numbers if chosen is None else chosen
    files = tuple(paths.model(number) for number in used)
    missing = [display(file) for file in files if not file.is_file()]
    if missing:
        command = f"python src/train.py --config configs/{config.name}.yaml"
        raise StaleError(f"{', '.join(missing)}: not trained yet; run `{command}`")
    hashes = tuple(None if digests is None else digests.get(config.model_name(number)) for number in used)
    models = _models(files, hashes, folder_fingerprint([*files]), config.model, len(config.data.class_names))
    if config.refit is not None and chosen is None:
        return Ensemble.of(config, models)
    shares = [weights[names[number]] for number in used]
    if chosen is not None:
        shares = [share / sum(shares) for share in shares] if sum(shares) else [1 / len(shares)] * len(shares)
    return Ensemble.of(config, models, shares)


@cache
def _models(
    files: tuple[Path, ...], hashes: tuple[str | None, ...], _: str, model: ModelConfig, class_count: int
) -> list[SegmentationModel]:
    """Trained models, loaded once a process, and again when the fingerprint says that their files have changed."""
    return [load_model(file, model, class_count, digest) for file, digest in zip(files, hashes, strict=True)]


def _chunks(images: pd.DataFrame, class_count: int) -> Iterator[pd.DataFrame]:
    """The table in pieces of at most _CHUNK_PX, or of one image."""
    start, pixels = 0, 0
    for row, added in enumerate((images["height"] * images["width"] * class_count).tolist()):
        if row > start and pixels + added > _CHUNK_PX:
            yield images.iloc[start:row]
            start, pixels = row, 0
        pixels += added
    if start < len(images):
        yield images.iloc[start:]
