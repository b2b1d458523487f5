"""Labels as COCO json."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from maskfold.config.data.every_format import LabelledData


class CocoData(LabelledData):
    """Images in folders, labels as COCO json: polygons and both kinds of run lengths. Relative paths start at `root`.

    `class_names` are categories, unless `merge` says otherwise; other categories are ignored.
    """

    format: Literal["coco"] = "coco"
    """COCO json."""

    train_images: str = "train/images"
    """Folder of the training images."""

    train_json: str = "train/coco_annotations.json"
    """Json of the training images and their annotations."""

    valid_images: str | None = None
    """Folder of the competition's validation images. They join the training images, or are held out with
    `folds.kind: valid_folder`. null: none."""

    valid_json: str | None = None
    """Json of `valid_images`. null: none."""

    test_images: str | None = None
    """Folder of the test images. null: none."""

    merge: dict[str, Literal["all"] | tuple[str, ...]] = {}  # noqa: RUF012  # frozen, like every section
    """Classes made of several categories, as `{vehicle: [car, bus]}`, or of all (`{object: all}`). A class that is not
    in it is the category of the same name."""

    crowd: Literal["use", "background", "ignore"] = "use"
    """Annotations of classes with iscrowd 1. `use`: part of the masks. `background`: left out. `ignore`: their pixels,
    unless another annotation shows them, count as not labelled (see `ignore_masks`)."""

    ignore_class: str | None = None
    """Category whose annotations are pixels that nobody labelled, unless another annotation shows them (see
    `ignore_masks`). null: none."""

    unlisted_images: Literal["refuse", "ignore", "empty"] = "refuse"
    """Files in the folder that the json does not list: an error, left out, or empty images."""

    @model_validator(mode="after")
    def _merge_names_classes(self) -> CocoData:
        unknown = sorted(set(self.merge) - set(self.class_names))
        if unknown:
            raise ValueError(f"merge: {', '.join(unknown)} not in class_names, {list(self.class_names)}")
        if self.ignore_class in self.class_names:
            raise ValueError(f"ignore_class: {self.ignore_class!r} is in class_names too")
        if (self.valid_images is None) != (self.valid_json is None):
            raise ValueError("valid_images and valid_json: give both or neither")
        return self
