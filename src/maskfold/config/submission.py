"""The submission file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from maskfold.config.section import Section

Layout = Literal["image_class_id", "image_class_columns", "image", "coco_json", "mask_folder", "label_map"]
ImageNames = Literal["id", "stem", "index"]

ROWS_OF_OBJECTS = ("image", "image_class_id", "image_class_columns", "coco_json")  # layouts that may have them
FOLDERS = ("mask_folder", "label_map")  # the layouts that are folders of images

_CSV_COLUMNS = {  # the usual names
    "image_class_id": ("ImageId_ClassId", "EncodedPixels"),
    "image_class_columns": ("ImageId", "ClassId", "EncodedPixels"),
    "image": ("id", "rle_mask"),
}


class SubmissionConfig(Section):
    """The submission file. If the competition has a sample submission, its rows, order and columns are used."""

    layout: Layout = "image_class_columns"
    """`image_class_id`: csv with image and class in one column. `image_class_columns`: csv with a column for each.
    `image`: csv with one row an image, for a single class. `coco_json`: COCO results. `mask_folder`: png masks.
    `label_map`: one png an image, whose grey values are classes, with `data.exclusive`."""

    rows: Literal["mask", "object"] = "mask"
    """What has a row of a csv, or a result of `coco_json`: `mask`, an image and class; `object`, each object of it: the
    pixels that touch each other, diagonally too. An image without objects has one row with the empty token."""

    columns: tuple[str, ...] | None = None
    """Column names of a csv, in order. null: the usual names of the layout (such as ImageId, ClassId,
    EncodedPixels)."""

    order: Literal["column", "row", "relative"] = "column"
    """Pixel order of the run lengths: down the columns (Kaggle), along the rows, or relative (SIIM-ACR): down the
    columns, each start counted from the end of the run before it."""

    size: tuple[int, int] | None = None
    """Height and width in px of the masks in the file, if the competition wants another size than that of the images:
    each mask is resized, and a pixel is on where at least half of its area is. null: the size of the image."""

    empty_token: str = ""
    """What a csv has for an empty mask: blank, `-1`, `-`, …"""

    image_names: ImageNames = "id"
    """How images are named if no sample submission says it. `id`: as in the labels. `stem`: without suffix. `index`: 0,
    1, … in the order of the file names. A sample submission that counts images also needs `index`."""

    category_ids: tuple[int, ...] | None = None
    """With `coco_json`: the category of each class, in order. null: that of the same name in the sample submission, or
    1, 2, …"""

    mask_value: int = Field(255, ge=1, le=255)
    """With `mask_folder`: grey value of the pixels in the mask."""

    class_values: tuple[int, ...] | None = None
    """With `label_map`: grey value of each class, 1 to 255, in order; pixels of none are 0. null: 1, 2, …"""

    def settings(self) -> dict[str, Any]:
        """What decides the file; keys that came later are left out at their defaults, so that older files fit."""
        later = {"class_values": None, "rows": "mask"}
        return self.model_dump(exclude={key for key, default in later.items() if getattr(self, key) == default})

    @model_validator(mode="after")
    def _fits_the_layout(self) -> SubmissionConfig:
        expected = len(_CSV_COLUMNS.get(self.layout, ()))
        for key in ("columns", "empty_token"):
            if not expected and getattr(self, key):
                raise ValueError(f"{key}: only for csv layouts, found layout {self.layout}; remove it")
        if self.rows == "object" and self.layout not in ROWS_OF_OBJECTS:
            raise ValueError(f"rows: object is for csv layouts and coco_json, found layout {self.layout}; remove it")
        if self.columns is not None and len(self.columns) != expected:
            raise ValueError(f"layout {self.layout} has {expected} columns, found {len(self.columns)}")
        if self.layout == "coco_json" and self.order != "column":
            raise ValueError("order: the run lengths of coco_json are always column-major; remove it")
        if self.layout in FOLDERS and self.order == "relative":
            raise ValueError("order: masks have no run lengths; remove it")
        if self.size is not None and min(self.size) < 1:
            raise ValueError(f"size: expected (height, width) in px from 1, found {list(self.size)}")
        if self.category_ids is not None and self.layout != "coco_json":
            raise ValueError(f"category_ids: only for layout coco_json, found {self.layout}; remove it")
        if self.category_ids is not None and len(set(self.category_ids)) != len(self.category_ids):
            raise ValueError(f"category_ids: each category once, found {list(self.category_ids)}")
        values = self.class_values
        if values is not None and self.layout != "label_map":
            raise ValueError(f"class_values: only for layout label_map, found {self.layout}; remove it")
        if values is not None and (len(set(values)) != len(values) or not all(1 <= value <= 255 for value in values)):
            raise ValueError(f"class_values: expected different values from 1 to 255, found {list(values)}")
        return self

    @property
    def pixel_order(self) -> Literal["column", "row"]:
        """The order in which the pixels are numbered."""
        return "row" if self.order == "row" else "column"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names of the submission, in order; none unless it is a csv."""
        return self.columns or _CSV_COLUMNS.get(self.layout, ())
