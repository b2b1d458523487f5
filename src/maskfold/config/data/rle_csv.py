"""Labels as run lengths in a csv."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from maskfold.config.data.every_format import LabelledData
from maskfold.config.section import Section


class RleColumns(Section):
    """Column names of a label csv that is not in one of Severstal's two forms."""

    image: str | None = None
    """Column of the image. null: it is in `image_class`."""

    image_class: str | None = None
    """Column of image and class together, as `<image>_<class>`. null: `image` is used."""

    class_name: str | None = None
    """Column of the class. null: there is one class, or `image_class` or `rle_of` is used."""

    rle: str | None = None
    """Column of the run lengths. null: `rle_of` is used."""

    rle_of: dict[str, str] | None = None
    """Column of the run lengths of each class, as `{class: column}`. null: `rle` is used."""

    @model_validator(mode="after")
    def _one_form(self) -> RleColumns:
        if (self.image is None) == (self.image_class is None):
            raise ValueError("give exactly one of image, image_class")
        if (self.rle is None) == (self.rle_of is None):
            raise ValueError("give exactly one of rle, rle_of")
        if self.image is None and (self.class_name is not None or self.rle_of is not None):
            raise ValueError("image_class includes the class; remove class_name and rle_of")
        if self.rle_of is not None and self.class_name is not None:
            raise ValueError("rle_of has a column for each class; remove class_name")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in the order image, class, run lengths."""
        single = (self.image or self.image_class, self.class_name, self.rle)
        return (*(name for name in single if name is not None), *(self.rle_of or {}).values())


class RleCsvData(LabelledData):
    """Images in folders, labels as run lengths in a csv. Relative paths start at `root`.

    `class_names` are those of the csv. An image without rows is empty.
    """

    format: Literal["rle_csv"] = "rle_csv"
    """Run lengths in a csv."""

    train_images: str = "train_images"
    """Folder of the training images."""

    train_csv: str = "train.csv"
    """Csv of the labels: one-based pairs of start and length."""

    test_images: str | None = "test_images"
    """Folder of the test images. null: none."""

    sample_submission: str | None = "sample_submission.csv"
    """The competition's sample submission, a csv or json. `auto`: the one file in `root` that is called so, if there is
    one. null: none; `submission` then says what to write."""

    columns: RleColumns | None = None
    """Names of the columns. null: ImageId_ClassId,EncodedPixels or ImageId,ClassId,EncodedPixels (Severstal)."""

    order: Literal["column", "row", "relative"] = "column"
    """Pixel order of the run lengths: down the columns (Kaggle), along the rows, or relative (SIIM-ACR): down the
    columns, each start counted from the end of the run before it."""

    empty_token: str = ""
    """Text that means an empty mask, like a blank field."""

    ignore_class: str | None = None
    """Class of the csv whose masks are pixels that nobody labelled (see `ignore_masks`). null: none."""

    several_rows: Literal["refuse", "union", "mean"] = "refuse"
    """Several rows of one image and class: an error, parts of one mask (one object a row), or the votes of as many
    annotators, whose mean is a soft mask; a blank row votes for an empty one (docs/how-to/soft-labels.md)."""

    @model_validator(mode="after")
    def _columns_fit_the_classes(self) -> RleCsvData:
        columns = self.columns
        if self.ignore_class in self.class_names:
            raise ValueError(f"ignore_class: {self.ignore_class!r} is in class_names too")
        if columns is None:
            return self
        if columns.rle_of is not None and set(columns.rle_of) - {self.ignore_class} != set(self.class_names):
            raise ValueError(f"columns.rle_of: must name a column for each of class_names, {list(self.class_names)}")
        if columns.names == (columns.image, columns.rle) and len(self.class_names) > 1:
            raise ValueError("columns: several classes need class_name, image_class or rle_of")
        return self
