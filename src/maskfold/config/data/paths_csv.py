"""A csv of the paths of images and masks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from maskfold.config.data.mask_images import MaskImageData
from maskfold.config.section import Section


class PathColumns(Section):
    """Column names of a csv of paths."""

    image: str = "image"
    """Column of the image's path."""

    mask: str | None = "mask"
    """Column of the mask's path; a blank field means an empty image. null: `mask_of` is used."""

    mask_of: dict[str, str] | None = None
    """Column of the mask of each class, as `{class: column}`; then `mask` is not used. null: one mask file for all
    classes."""

    id: str | None = None
    """Column of the image id. null: the file name without suffix."""

    ignore: str | None = None
    """Column of the path of a mask of ignored pixels (see `ignore_masks`); a blank field means that all are labelled.
    null: none."""

    group: str | None = None
    """Column of the group; images of one group stay in one fold. null: none."""


class PathsCsvData(MaskImageData):
    """A csv that names image and mask files. Relative paths start at `root`, in the csv too."""

    format: Literal["paths_csv"] = "paths_csv"
    """A csv of paths."""

    class_names: tuple[str, ...] = Field(("mask",), min_length=1)
    """Names of the classes, in order."""

    train_csv: str = "train.csv"
    """Csv of the training images and their masks."""

    valid_csv: str | None = None
    """Csv of the competition's validation images. They join the training images, or are held out with
    `folds.kind: valid_folder`. null: none."""

    test_csv: str | None = None
    """Csv of the test images. null: none, or `test_images`."""

    test_images: str | None = None
    """Folder of the test images, instead of `test_csv`. null: none, or `test_csv`."""

    several_rows: Literal["refuse", "union", "mean"] = "refuse"
    """Several rows of one image: an error, parts of one mask (one object a row), or masks of as many annotators, whose
    mean is a soft mask (docs/how-to/soft-labels.md)."""

    columns: PathColumns = PathColumns()
    """Names of the columns."""

    @model_validator(mode="after")
    def _columns_fit_the_classes(self) -> PathsCsvData:
        mask_of = self.columns.mask_of
        if mask_of is not None and set(mask_of) != set(self.class_names):
            raise ValueError(f"columns.mask_of: must name a column for each of class_names, {list(self.class_names)}")
        if mask_of is not None and self.labels != "binary":
            raise ValueError("columns.mask_of means a mask file for each class, so labels must be binary")
        if mask_of is None and self.columns.mask is None:
            raise ValueError("columns: give mask or mask_of")
        if len(self.class_names) > 1 and self.labels == "binary" and mask_of is None:
            raise ValueError("several classes need labels: class_index or colour, or columns.mask_of")
        if self.several_rows == "mean":
            self._check_mean("several_rows")
        if self.test_csv is not None and self.test_images is not None:
            raise ValueError("give test_csv or test_images, not both")
        if self.columns.group is not None and self.groups_csv is not None:
            raise ValueError("give columns.group or groups_csv, not both")
        return self
