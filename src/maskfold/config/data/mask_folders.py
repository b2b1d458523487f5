"""Photos and mask images in folders."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from maskfold.config.data.mask_images import MaskImageData


class MaskFoldersData(MaskImageData):
    """Photos in one folder, mask images in another, paired by name. Relative paths start at `root`.

    `image_name` and `mask_name` are patterns: `{stem}` is what photo and mask have in common, `{name}` (in `mask_name`)
    the photo's whole file name, `{class}` a class name (then each class has its own mask files), `*` any text. A
    pattern without suffix fits any suffix.
    """

    format: Literal["mask_folders"] = "mask_folders"
    """Photos and mask images in folders."""

    class_names: tuple[str, ...] = Field(("mask",), min_length=1)
    """Names of the classes, in order."""

    train_images: str | tuple[str, ...] = "train"
    """Folder of the training photos, or a list of folders whose photos are joined."""

    train_masks: str | tuple[str, ...] = "train_mask"
    """Folder of their masks, or a list with one folder for each in `train_images`, in the same order."""

    valid_images: str | None = None
    """Folder of the competition's validation photos. They join the training images, or are held out with
    `folds.kind: valid_folder`. null: none."""

    valid_masks: str | None = None
    """Folder of the masks of `valid_images`. null: none."""

    test_images: str | None = "test"
    """Folder of the test photos. null: none."""

    image_name: str = "{stem}"
    """Pattern of the photos' names below `train_images`: `{stem}_sat`, `img{stem}`; `{stem}/images/*` is one folder an
    image."""

    test_name: str | None = None
    """Pattern of the test photos' names below `test_images`. null: as `image_name`."""

    mask_name: str = "{stem}"
    """Pattern of the masks' names below `train_masks`: `{stem}_mask.png`, `{class}/{stem}` (a folder for each class),
    `{stem}_{class}`, `{stem}/masks/*`, …"""

    image_id: Literal["stem", "file", "name"] = "stem"
    """What the sample submission and `groups_csv` call an image: what `{stem}` stands for, the file name without its
    suffix, or the whole file name."""

    missing_masks: Literal["refuse", "empty", "skip"] = "refuse"
    """A photo without a mask file: an error, an empty image, or one that nobody labelled and that is left out."""

    several_masks: Literal["refuse", "union", "mean"] = "refuse"
    """Several mask files of one photo (and class): an error, parts of one mask (one object a file), or masks of as many
    annotators, whose mean is a soft mask (docs/how-to/soft-labels.md)."""

    @property
    def train_folders(self) -> list[tuple[str, str]]:
        """The folders of training photos, each with that of its masks. Raises ValueError for lists of two lengths."""
        images, masks = self.train_images, self.train_masks
        if isinstance(images, str) or isinstance(masks, str):
            return [(str(images), str(masks))]
        if len(images) != len(masks):
            raise ValueError(f"train_masks: expected {len(images)} folders as in train_images, found {len(masks)}")
        return list(zip(images, masks, strict=True))

    @model_validator(mode="after")
    def _patterns(self) -> MaskFoldersData:
        for key, pattern in (("image_name", self.image_name), ("test_name", self.test_name or self.image_name)):
            if "{stem}" not in pattern or "{class}" in pattern or "{name}" in pattern:
                raise ValueError(f"{key}: expected {{stem}}, no {{name}} and no {{class}}, found {pattern!r}")
        if ("{stem}" in self.mask_name) == ("{name}" in self.mask_name) or self.mask_name.count("{class}") > 1:
            expected = "expected either {stem} or {name}, and {class} at most once"
            raise ValueError(f"mask_name: {expected}, found {self.mask_name!r}")
        if not self.train_folders or isinstance(self.train_images, str) != isinstance(self.train_masks, str):
            raise ValueError("train_images and train_masks: expected one folder each, or two lists of folders")
        if (self.valid_images is None) != (self.valid_masks is None):
            raise ValueError("valid_images and valid_masks: give both or neither")
        several = "{class}" in self.mask_name
        if several and self.labels != "binary":
            raise ValueError("mask_name: {class} means a mask file for each class, so labels must be binary")
        if len(self.class_names) > 1 and self.labels == "binary" and not several:
            raise ValueError("several classes need labels: class_index or colour, or {class} in mask_name")
        if self.several_masks == "mean":
            self._check_mean("several_masks")
        return self
