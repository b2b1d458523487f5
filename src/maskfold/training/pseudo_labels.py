"""Pseudo-labels: predictions of a finished run for the test images, used as labels in another training.

Fold k is trained on the test predictions of the finished run's model of fold k. That model has not seen the labels of
fold k's validation images either; an ensemble of all folds has seen them, and they would leak. For the same reason the
masks are made at the default threshold: a tuned rule was chosen on the OOF predictions of all folds.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import file_hash, whole_file, whole_folder
from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import Provenance, contents_hash, record_path
from maskfold.artefacts.step import Step
from maskfold.config import Experiment, PseudoLabelsConfig
from maskfold.data.competition import Competition, IgnoredSource, MaskSource, SoftSource
from maskfold.data.formats.rle_csv import RleMasks
from maskfold.errors import DataError, StaleError
from maskfold.execution.progress import tracked
from maskfold.folds.table import read_folds, same_folds
from maskfold.network.trained import inference_settings, model_hashes
from maskfold.pixels.rle import Order, encode
from maskfold.rules.applying import apply_rules
from maskfold.rules.rules import DEFAULT_RULE

_ORDER: Order = "column"  # of the run lengths in the file
_PREFIX = "test/"  # of a test image's id, which may be that of a training image too


@dataclass(frozen=True)
class SoftMaps:
    """Reads the probabilities of test images from a folder of png files; picklable.

    numbers: image_id -> number in the names of its files; sizes: image_id -> (height, width) in px.
    """

    folder: Path
    numbers: dict[str, int]
    sizes: dict[str, tuple[int, int]]
    classes: int

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8, q stands for q/255. Raises DataError for a file that cannot be read."""
        return np.stack([self._map(image_id, index) for index in range(self.classes)])

    def _map(self, image_id: str, index: int) -> np.ndarray:
        path = _map_file(self.folder, self.numbers[image_id], index)
        if not path.exists():
            return np.zeros(self.sizes[image_id], dtype=np.uint8)
        found = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if found is None or found.shape != self.sizes[image_id]:
            raise DataError([f"{display(path)}: cannot be read; delete {display(self.folder)}, and it is made again"])
        return np.asarray(found)


def _map_file(folder: Path, number: int, class_index: int) -> Path:
    """Where the probabilities of a class of a test image are; there is no file where all of them are 0."""
    return folder / f"{number // 1000}" / f"{number}-{class_index}.png"


@dataclass(frozen=True)
class PseudoLabels:
    """Labelled test images.

    images: one row an image, with image_id (with a prefix), path, height, width and confidence (0..1); presence:
    (images, classes) bool, which classes are in each; masks: by image_id, or with `labels: soft` probabilities.
    """

    images: pd.DataFrame
    presence: np.ndarray
    masks: RleMasks | SoftMaps
    config: PseudoLabelsConfig

    @property
    def soft(self) -> bool:
        """Whether the labels are probabilities."""
        return self.config.labels == "soft"

    def chosen(self, true_presence: np.ndarray) -> PseudoLabels:
        """The most confident ones, as many as max_share allows for training images of this (images, classes) presence.

        Empty images, which models are most confident about, get no larger share than they have among the true labels.
        """
        share = self.config.max_share
        room = int(len(true_presence) * share / (1 - share))
        non_empty_room = round(room * float(true_presence.any(axis=1).mean()))
        confidence = self.images["confidence"].to_numpy()
        shows = np.asarray(self.presence.any(axis=1))
        order = np.argsort(-confidence, kind="stable")
        order = order[confidence[order] >= self.config.min_confidence]
        rows = np.sort(
            np.concatenate([order[shows[order]][:non_empty_room], order[~shows[order]][: room - non_empty_room]])
        )
        return replace(self, images=self.images.iloc[rows].reset_index(drop=True), presence=self.presence[rows])


@dataclass(frozen=True)
class JoinedMasks:
    """The masks, or soft ones, of training images and those of pseudo-labelled test images; picklable.

    true_one, pseudo_one: what a pixel of either source that is on is multiplied with: 255 for masks among soft ones.
    """

    true: MaskSource | SoftSource
    pseudo: RleMasks | SoftMaps
    true_one: int = 1
    pseudo_one: int = 1

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1}, or of soft masks 0 to 255."""
        if image_id in self.pseudo.sizes:
            return _times(self.pseudo(image_id), self.pseudo_one)
        return _times(self.true(image_id), self.true_one)


def _times(masks: np.ndarray, one: int) -> np.ndarray:
    """Masks whose pixels that are on have the value `one`; with 1 the same array, not a copy for every sample."""
    return masks if one == 1 else masks * np.uint8(one)


def joined_masks(competition: Competition, pseudo: PseudoLabels) -> JoinedMasks:
    """The labels of a competition and pseudo-labels together: soft if either are."""
    hard_one = 255 if pseudo.soft or competition.soft is not None else 1
    ones = [1 if of_probabilities else hard_one for of_probabilities in (competition.soft is not None, pseudo.soft)]
    return JoinedMasks(competition.soft or competition.masks, pseudo.masks, *ones)


@dataclass(frozen=True)
class JoinedIgnored:
    """The ignored pixels of training images, none of pseudo-labelled test images; picklable."""

    true: IgnoredSource
    pseudo: RleMasks | SoftMaps

    def __call__(self, image_id: str) -> np.ndarray:
        """(H, W) uint8 in {0, 1}."""
        if image_id in self.pseudo.sizes:
            return np.zeros(self.pseudo.sizes[image_id], dtype=np.uint8)
        return self.true(image_id)


def image_confidence(prob: np.ndarray, class_prob: np.ndarray | None = None) -> float:
    """A model's confidence in its masks of one image at threshold 0.5, 0..1: that of the least confident class.

    prob: (C, H, W) uint8, q stands for q/255; class_prob: (C,) in 0..1 or None. For a class with a mask it is the soft
    Dice of probabilities and mask; for one without, 1 minus the highest probability. With a classification head it is
    at most the head's probability that the class is present or absent, as the mask says.
    """
    sure = []
    for index, plane in enumerate(prob):
        on = plane >= DEFAULT_RULE.threshold
        count = int(np.count_nonzero(on))
        if count:
            of_class = 2 * float(plane[on].sum()) / (float(plane.sum()) + 255 * count)
        else:
            of_class = 1 - float(plane.max(initial=0)) / 255
        if class_prob is not None:
            of_class = min(of_class, float(class_prob[index] if count else 1 - class_prob[index]))
        sure.append(of_class)
    return min(sure)


def check_labeller(config: Experiment, competition: Competition, folds: pd.DataFrame) -> None:
    """Raise unless the run in pseudo_labels can label the test images of every fold of this run.

    DataError without test images or when the folds differ, StaleError when it is not trained or not on these folds.
    """
    assert config.pseudo_labels is not None, "a config with pseudo_labels"
    source = config.pseudo_labels.run
    if competition.readable_test.empty:
        raise DataError(["pseudo_labels: there are no test images to label; set data.test_images"])
    model_hashes(source)
    ours, theirs = RunPaths.of(config), RunPaths.of(source)
    if not same_folds(folds, read_folds(source, competition), config.folds):
        raise DataError(
            [
                f"pseudo_labels.run: {source.name} has other folds, so its models were trained on validation images "
                f"of this run; copy {display(theirs.folds_csv)} to {display(ours.folds_csv)}"
            ]
        )
    trained_on = {fold: _trained_on(theirs.model(fold)) for fold in range(config.folds.models)}
    other = [fold for fold, digest in trained_on.items() if digest != file_hash(theirs.folds_csv)]
    if other:
        raise StaleError(
            f"{display(theirs.run)}: folds {other} were trained on other folds than {display(theirs.folds_csv)} holds; "
            f"run `python src/train.py --config configs/{source.name}.yaml`"
        )


def _trained_on(model: Path) -> str | None:
    """The hash of the folds csv a model was trained on; None if there is no record."""
    try:
        return str(json.loads(record_path(model).read_text(encoding="utf-8"))["inputs"]["folds"])
    except (OSError, ValueError, KeyError):
        return None


def pseudo_label_settings(config: Experiment) -> dict[str, object]:
    """The config values that decide which pseudo-labels a run learns from; none without any."""
    section = config.pseudo_labels
    if section is None:
        return {}
    chosen = section.settings() | {"run": section.run.name}
    return {"pseudo_labels": chosen | {"inference": inference_settings(section.run)}}


def pseudo_label_inputs(config: Experiment, competition: Competition, fold: int) -> dict[str, str]:
    """What the pseudo-labels of a fold are made from: label -> hash; nothing without any."""
    if config.pseudo_labels is None:
        return {}
    source = config.pseudo_labels.run
    images = {name: digest for name, digest in competition.test_inputs().items() if name != "sample submission"}
    command = f"python src/train.py --config configs/{source.name}.yaml"
    model = contents_hash(RunPaths.of(source).model(fold), command, f"fold{fold}")
    return {f"model of {source.name}": model, **images}


def read_pseudo_labels(config: Experiment, competition: Competition, fold: int, step: Step) -> PseudoLabels | None:
    """The pseudo-labels of a fold, made first unless they are up to date; None where the config asks for none.

    Several processes may ask at once: one makes them, the others wait.
    """
    if config.pseudo_labels is None:
        return None
    path, source = RunPaths.of(config).pseudo_labels(fold), config.pseudo_labels.run
    soft = config.pseudo_labels.labels == "soft"
    made_from = Provenance(
        "pseudo_labels",
        {"run": source.name, **inference_settings(source), **({"labels": "soft"} if soft else {})},
        pseudo_label_inputs(config, competition, fold),
        code_version("pseudo-labels"),
        f"fold{fold}",
        config.name,
    )
    with _alone(path):
        missing = [f"{_maps_of(path).name} does not exist"] if soft and not _maps_of(path).is_dir() else []
        if reasons := [*step.reasons(path, made_from), *missing]:
            step.announce(path, reasons, f"pseudo-labels of {config.model_title(fold)}")
            _make(config, competition, fold, path, made_from.inputs[f"model of {source.name}"])
            made_from.write(path)
    return _labels(path, competition, config.pseudo_labels)


def _maps_of(path: Path) -> Path:
    """The folder of probabilities that belongs to a file of pseudo-labels."""
    return path.with_suffix("")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time in; a lock goes with the process that holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(config: Experiment, competition: Competition, fold: int, path: Path, sha256: str) -> None:
    """Write the masks and the confidence of every test image by the source's model of the fold, whole or not at all.

    With `labels: soft` its probabilities too, before the file that says that they are there.
    """
    # torch takes seconds to import, and fresh labels do not need it.
    from maskfold.inference.predict import Ensemble
    from maskfold.network.model import load_model

    assert config.pseudo_labels is not None
    source, images = config.pseudo_labels.run, competition.readable_test
    model = load_model(RunPaths.of(source).model(fold), source.model, len(competition.class_names), sha256)
    rows = []
    predictions = Ensemble.of(source, [model]).predict_images(images)
    found = tracked(predictions, len(images), f"pseudo-labels, {config.model_title(fold)}")
    with whole_folder(_maps_of(path)) if config.pseudo_labels.labels == "soft" else nullcontext() as maps:
        for number, (image_id, prob, class_prob) in enumerate(found):
            confidence = image_confidence(prob, class_prob)
            masks = apply_rules(prob, [DEFAULT_RULE] * len(prob), class_prob, competition.exclusive)
            texts = [encode(mask, _ORDER) for mask in masks]
            rows += [(image_id, index, text, confidence) for index, text in enumerate(texts)]
            if maps is not None:
                _write_maps(maps, number, prob)
    with whole_file(path) as temporary:
        pd.DataFrame(rows, columns=["image_id", "class_id", "rle", "confidence"]).to_parquet(temporary, index=False)


def _write_maps(folder: Path, number: int, prob: np.ndarray) -> None:
    """Write the probabilities of an image, (C, H, W) uint8, that are not all 0."""
    for index, plane in enumerate(prob):
        if plane.any():
            file = _map_file(folder, number, index)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(cv2.imencode(".png", plane)[1].tobytes())


def _labels(path: Path, competition: Competition, config: PseudoLabelsConfig) -> PseudoLabels:
    """The pseudo-labels in a file, in the order of the test images."""
    table = pd.read_parquet(path)
    images = competition.readable_test.reset_index(drop=True)
    confidence = table.drop_duplicates("image_id").set_index("image_id")["confidence"]
    images = images.assign(confidence=images["image_id"].map(confidence), image_id=_PREFIX + images["image_id"])
    runs: dict[str, dict[int, str]] = {}
    for image_id, class_id, text in table[["image_id", "class_id", "rle"]].itertuples(index=False, name=None):
        if text:
            runs.setdefault(f"{_PREFIX}{image_id}", {})[int(class_id)] = text
    classes = len(competition.class_names)
    presence = np.array([[index in runs.get(name, {}) for index in range(classes)] for name in images["image_id"]])
    heights_widths = zip(images["height"].tolist(), images["width"].tolist(), strict=True)
    sizes = dict(zip(images["image_id"], heights_widths, strict=True))
    masks: RleMasks | SoftMaps = RleMasks(runs, sizes, classes, _ORDER)
    if config.labels == "soft":
        numbers = {f"{_PREFIX}{name}": number for number, name in enumerate(table["image_id"].drop_duplicates())}
        masks = SoftMaps(_maps_of(path), numbers, sizes, classes)
    return PseudoLabels(images, presence, masks, config)
