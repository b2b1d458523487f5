"""What every reader returns, whatever the files on disk look like."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from maskfold.artefacts.files import file_hash, folder_fingerprint
from maskfold.data.images.stacks import volumes_hash

OnBadImage = Literal["strict", "empty"]  # a test image that cannot be read: refused, or given empty masks


class MaskSource(Protocol):
    """Reads the masks of one training image; picklable, so that loader processes can carry it."""

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1} at the image's original size."""
        ...


class SoftSource(Protocol):
    """Reads how probable the labels say each class is in one training image; picklable."""

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8 at the image's original size, q stands for q/255; the masks are on from 128."""
        ...


class IgnoredSource(Protocol):
    """Reads which pixels of one training image nobody labelled; picklable."""

    def __call__(self, image_id: str) -> np.ndarray:
        """(H, W) uint8 in {0, 1} at the image's original size, 1 where a pixel is not labelled."""
        ...


@dataclass(frozen=True)
class Competition:
    """A competition's images and labels.

    train, test: one row an image with columns image_id (as the competition writes it), path (absolute), height, width
    (px), where images are turned for it orientation (see Photo), and in train, where there are groups, group, and where
    the competition has validation images of its own, split ("train" or "valid"). label_files: the files that define the
    labels; mask_files: those that are images, and may be many; sized: the images whose labels state a size that was
    compared with theirs; reading: the settings that say how to read the labels, as JSON. sample_submission: the
    competition's own template where it has one. unreadable: test image -> why it cannot be read, where such images are
    let pass; in test they have the size they declare, or else that of most others. ignored: reads the pixels that are
    not labelled, where `masks` gives 0 for every class, and which neither losses nor scores count; None where all are
    labelled; ignore_files: its own files. exclusive: each pixel is of one class or of none.
    soft: reads the probabilities that training takes in place of the masks; None where the labels have none.
    Where images are slices of volumes or frames of clips, train and test have the columns volume (a Volume) and
    volume_index, and neighbour_files are further files of those volumes, which no table lists.
    """

    class_names: tuple[str, ...]
    train: pd.DataFrame
    test: pd.DataFrame
    masks: MaskSource
    label_files: tuple[Path, ...] = ()
    mask_files: tuple[Path, ...] = ()
    sized: frozenset[str] = frozenset()
    reading: str = ""
    sample_submission: Path | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)
    ignored: IgnoredSource | None = None
    ignore_files: tuple[Path, ...] = ()
    exclusive: bool = False
    soft: SoftSource | None = None
    neighbour_files: tuple[Path, ...] = ()

    def ignored_in(self, image_id: str) -> np.ndarray | None:
        """(H, W) uint8 in {0, 1}, 1 where a pixel of a training image is not labelled; None: none in any image."""
        return None if self.ignored is None else self.ignored(image_id)

    @property
    def readable_test(self) -> pd.DataFrame:
        """The rows of `test` that can be predicted."""
        return self.test[~self.test["image_id"].isin(list(self.unreadable))]

    @property
    def label_images(self) -> tuple[Path, ...]:
        """All files of masks and ignore masks."""
        return (*self.mask_files, *self.ignore_files)

    def test_files(self) -> dict[str, Path]:
        """image_id -> file of every test image."""
        return dict(zip(self.test["image_id"].tolist(), map(Path, self.test["path"]), strict=True))

    def test_sizes(self) -> dict[str, tuple[int, int]]:
        """image_id -> (height, width) in px of every test image."""
        sizes = zip(self.test["height"].tolist(), self.test["width"].tolist(), strict=True)
        return dict(zip(self.test["image_id"].tolist(), sizes, strict=True))

    def train_inputs(self) -> dict[str, str]:
        """Provenance of the training images and labels: label -> hash."""
        images = folder_fingerprint([Path(path) for path in self.train["path"]])
        return {"training images": images, **self._volume_inputs(self.train), **self.label_inputs()}

    def _volume_inputs(self, images: pd.DataFrame) -> dict[str, str]:
        """Provenance of the order of slices and frames: label -> hash; nothing where images stand alone."""
        if "volume" not in images:
            return {}
        found = {"volumes": volumes_hash(images)}
        if self.neighbour_files:
            found["neighbouring images"] = folder_fingerprint(list(self.neighbour_files))
        return found

    def label_inputs(self) -> dict[str, str]:
        """Provenance of the labels alone: label -> hash."""
        names = [path.name for path in self.label_files]
        inputs: dict[str, str] = {}
        for path in self.label_files:
            name = path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}"
            inputs[f"label file {name}"] = file_hash(path)
        if self.mask_files:
            inputs["mask images"] = folder_fingerprint(list(self.mask_files))
        if self.ignored is not None:
            inputs["ignored pixels"] = folder_fingerprint(list(self.ignore_files))
        if self.reading:
            inputs["the reading of the labels"] = self.reading
        return inputs

    def test_inputs(self) -> dict[str, str]:
        """Provenance of the test images and the sample file: label -> hash."""
        inputs = {"test images": folder_fingerprint([Path(path) for path in self.test["path"]])}
        inputs |= {f"{name} of the test images": found for name, found in self._volume_inputs(self.test).items()}
        if self.sample_submission is not None:
            inputs["sample submission"] = file_hash(self.sample_submission)
        if "orientation" in self.test:
            inputs["orientation of test images"] = "upright"
        if self.unreadable:
            names = "\n".join(sorted(self.unreadable))
            inputs["unreadable test images"] = hashlib.sha256(names.encode()).hexdigest()
        return inputs
