"""The submission file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from maskfold.config.section import Section

Layout = Literal["image_class_id", "image_class_columns", "image", "coco_json", "mask_folder"]


ImageNames = Literal["id", "stem", "index"]


CSV_COLUMNS = {  # the usual names
    "image_class_id": ("ImageId_ClassId", "EncodedPixels"),
    "image_class_columns": ("ImageId", "ClassId", "EncodedPixels"),
    "image": ("id", "rle_mask"),
}


class SubmissionConfig(Section):
    """The answer file; its rows and order follow the competition's sample file where there is one."""

    layout: Layout = "image_class_columns"
    columns: tuple[str, ...] | None = None  # of a csv; null: the usual names of the layout
    order: Literal["column", "row"] = "column"
    empty_token: str = ""  # what a csv writes for an empty mask
    # How images are called where no sample file says it: id as the reader has it, stem without suffix, index counted
    # from 0 in the order of file names. A sample file's names speak for themselves, but numbers need index here.
    image_names: ImageNames = "id"
    category_ids: tuple[int, ...] | None = None  # of coco_json, class by class; null: the sample's, or 1, 2, …
    mask_value: int = Field(255, ge=1, le=255)  # of a pixel that is on, in mask_folder

    @model_validator(mode="after")
    def _fits_the_layout(self) -> SubmissionConfig:
        expected = len(CSV_COLUMNS.get(self.layout, ()))
        for key in ("columns", "empty_token"):
            if not expected and getattr(self, key):
                raise ValueError(f"{key}: layout {self.layout} is no csv; leave it out")
        if self.columns is not None and len(self.columns) != expected:
            raise ValueError(f"layout {self.layout} has {expected} columns, found {len(self.columns)}")
        if self.layout == "coco_json" and self.order != "column":
            raise ValueError("order: COCO's run lengths are column-major; leave it out")
        if self.category_ids is not None and self.layout != "coco_json":
            raise ValueError(f"category_ids: goes with layout coco_json, found {self.layout}")
        if self.category_ids is not None and len(set(self.category_ids)) != len(self.category_ids):
            raise ValueError(f"category_ids: a category is given twice in {list(self.category_ids)}")
        return self

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names of the answer file, in order; none where it is no csv."""
        return self.columns or CSV_COLUMNS.get(self.layout, ())
