"""Where images and labels lie."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from maskfold.config.section import Section

Labels = Literal["binary", "class_index", "colour"]
Colour = tuple[int, int, int]  # red, green, blue, each 0..255


class _Excluding(Section):
    """Training images to leave out, whatever the format: a csv with a column image_id (docs/how-to/choose-folds.md)."""

    exclude: str | None = None  # a path like root, not below it: the label audit writes such a file
    exclude_from: Literal["training", "everything"] = "training"  # everything: from OOF, tuning and scores too


class _Data(_Excluding):
    """What every format has; paths start at root."""

    root: str
    class_names: tuple[str, ...] = Field(min_length=1)  # in order
    sample_submission: str | None = None
    groups_csv: str | None = None  # ImageId,GroupId: images that must stay in one fold
    # decode: every file, once; header: only look at its size and its end; auto: header while over 20,000 are left
    check: Literal["auto", "decode", "header"] = "auto"

    @model_validator(mode="after")
    def _distinct_classes(self) -> _Data:
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError(f"class_names: a name is given twice in {list(self.class_names)}")
        return self


class RleColumns(Section):
    """The names of a label csv's columns, where they are not those of Severstal.

    The image's id stands in `image`, or together with the class in `image_class` (as <image>_<class>); the class in
    `class_name`; the run lengths in `rle`, or, where each class has a column of its own, in those of `rle_of`.
    """

    image: str | None = None
    image_class: str | None = None
    class_name: str | None = None
    rle: str | None = None
    rle_of: dict[str, str] | None = None  # class name -> its column

    @model_validator(mode="after")
    def _one_form(self) -> RleColumns:
        if (self.image is None) == (self.image_class is None):
            raise ValueError("give exactly one of image, image_class")
        if (self.rle is None) == (self.rle_of is None):
            raise ValueError("give exactly one of rle, rle_of")
        if self.image is None and (self.class_name is not None or self.rle_of is not None):
            raise ValueError("image_class holds the class already; leave out class_name and rle_of")
        if self.rle_of is not None and self.class_name is not None:
            raise ValueError("rle_of names a column a class; leave out class_name")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in the order image, class, run lengths."""
        single = (self.image or self.image_class, self.class_name, self.rle)
        return (*(name for name in single if name is not None), *(self.rle_of or {}).values())


class RleCsvData(_Data):
    """Images in folders, labels as run lengths in a csv."""

    format: Literal["rle_csv"] = "rle_csv"  # class_names as the csv writes them
    train_images: str = "train_images"
    train_csv: str = "train.csv"
    test_images: str | None = "test_images"
    sample_submission: str | None = "sample_submission.csv"
    columns: RleColumns | None = None  # null: one of Severstal's two headers
    order: Literal["column", "row"] = "column"  # pixel order of the run lengths
    empty_token: str = ""  # stands for an empty mask, as a blank does
    several_rows: Literal["refuse", "union"] = "refuse"  # of one image and class: an object each?

    @model_validator(mode="after")
    def _columns_fit_the_classes(self) -> RleCsvData:
        columns = self.columns
        if columns is None:
            return self
        if columns.rle_of is not None and set(columns.rle_of) != set(self.class_names):
            raise ValueError(f"columns.rle_of must name a column for each of class_names, {list(self.class_names)}")
        if columns.names == (columns.image, columns.rle) and len(self.class_names) > 1:
            raise ValueError("columns: several classes need class_name, image_class or rle_of")
        return self


class _MaskImages(_Data):
    """How the pixels of mask images say which classes they show; file names are the reader's business.

    binary: a pixel at mask_threshold or above is on; several classes need a mask file each. class_index: each class has
    grey values (or palette indices) of its own, 1, 2, … unless class_values says otherwise. colour: each has colours.
    Png masks must hold nothing else but the background; of jpg masks, which smear, each pixel takes the nearest.
    """

    labels: Labels = "binary"
    mask_threshold: int = Field(128, ge=1, le=255)
    class_values: dict[str, int | tuple[int, ...]] | None = None
    class_colours: dict[str, Colour | tuple[Colour, ...]] | None = None
    background_values: tuple[int, ...] = (0,)
    background_colours: tuple[Colour, ...] = ((0, 0, 0),)
    resize_masks: bool = False  # a mask of another size than its photo is resized, nearest pixel; false: refused

    @model_validator(mode="after")
    def _every_class_is_told_apart(self) -> _MaskImages:
        given = {"class_index": self.class_values, "colour": self.class_colours}
        for labels, key in (("class_index", "class_values"), ("colour", "class_colours")):
            if given[labels] is not None and labels != self.labels:
                raise ValueError(f"{key} goes with labels: {labels}, found labels: {self.labels}")
            if given[labels] is not None and set(given[labels] or {}) != set(self.class_names):
                raise ValueError(f"{key} must name each of class_names, {list(self.class_names)}")
        if self.labels == "colour" and self.class_colours is None:
            raise ValueError("labels: colour needs class_colours, for example {cat: [255, 0, 0]}")
        values = [value for own in self.values_of() for value in own]
        if self.labels != "binary" and len(set(values)) != len(values):
            raise ValueError("class_values or class_colours: two classes, or a class and the background, share one")
        return self

    def values_of(self) -> tuple[tuple[int, ...], ...]:
        """The values of the background, then of each class; a colour as one number, red * 65536 + green * 256 + blue.

        Empty for binary masks.
        """
        if self.labels == "class_index":
            numbers = self.class_values or {name: index for index, name in enumerate(self.class_names, 1)}
            lists = [numbers[name] for name in self.class_names]
            return (self.background_values, *((own,) if isinstance(own, int) else own for own in lists))
        if self.labels == "colour" and self.class_colours is not None:
            found: list[tuple[int, ...]] = [tuple(map(_packed, self.background_colours))]
            for name in self.class_names:
                own = self.class_colours[name]
                found.append(tuple(_packed(colour) for colour in own if isinstance(colour, tuple)) or (_packed(own),))
            return tuple(found)
        return ()


def _packed(colour: tuple) -> int:
    red, green, blue = colour
    return int(red) * 65536 + int(green) * 256 + int(blue)


class MaskFoldersData(_MaskImages):
    """Photos in one folder, mask images whose names follow from the photos' in another: the people layout.

    image_name and mask_name are patterns: {stem} is what photo and mask share, {name} in mask_name the photo's whole
    file name, {class} a class name (then each class has mask files of its own, and {class}/{stem} is one folder a
    class), * any text. {stem}/images/* and {stem}/masks/* are one folder an image. Without a suffix any will do.
    """

    format: Literal["mask_folders"] = "mask_folders"
    class_names: tuple[str, ...] = Field(("mask",), min_length=1)
    train_images: str = "train"
    train_masks: str = "train_mask"
    valid_images: str | None = None  # joins the training images; split folds can hold it out
    valid_masks: str | None = None
    test_images: str | None = "test"
    image_name: str = "{stem}"
    mask_name: str = "{stem}"
    image_id: Literal["stem", "name"] = "stem"  # what the sample submission and the groups call an image
    missing_masks: Literal["refuse", "empty"] = "refuse"  # a photo without any mask file
    several_masks: Literal["refuse", "union"] = "refuse"  # of one photo (and class): an object each?

    @model_validator(mode="after")
    def _patterns(self) -> MaskFoldersData:
        if "{stem}" not in self.image_name or "{class}" in self.image_name or "{name}" in self.image_name:
            raise ValueError(f"image_name: expected {{stem}}, no {{name}} and no {{class}}, found {self.image_name!r}")
        if ("{stem}" in self.mask_name) == ("{name}" in self.mask_name) or self.mask_name.count("{class}") > 1:
            expected = "expected either {stem} or {name}, and {class} at most once"
            raise ValueError(f"mask_name: {expected}, found {self.mask_name!r}")
        if (self.valid_images is None) != (self.valid_masks is None):
            raise ValueError("valid_images and valid_masks come together")
        several = "{class}" in self.mask_name
        if several and self.labels != "binary":
            raise ValueError("mask_name: {class} goes with labels: binary, as each class has a mask file of its own")
        if len(self.class_names) > 1 and self.labels == "binary" and not several:
            raise ValueError("several classes need labels: class_index or colour, or {class} in mask_name")
        return self


class PathColumns(Section):
    """The columns of a csv of paths."""

    image: str = "image"
    mask: str | None = "mask"  # blank: the image is empty
    mask_of: dict[str, str] | None = None  # class name -> the column of its mask; then mask is left out
    id: str | None = None  # null: the stem of the image's file
    group: str | None = None  # images that must stay in one fold


class PathsCsvData(_MaskImages):
    """A csv that names the image and the mask files; paths start at root, or are absolute."""

    format: Literal["paths_csv"] = "paths_csv"
    class_names: tuple[str, ...] = Field(("mask",), min_length=1)
    train_csv: str = "train.csv"
    valid_csv: str | None = None  # joins the training images; split folds can hold it out
    test_csv: str | None = None
    test_images: str | None = None  # a folder, where there is no test_csv
    several_rows: Literal["refuse", "union"] = "refuse"  # of one image: an object each?
    columns: PathColumns = PathColumns()

    @model_validator(mode="after")
    def _columns_fit_the_classes(self) -> PathsCsvData:
        mask_of = self.columns.mask_of
        if mask_of is not None and set(mask_of) != set(self.class_names):
            raise ValueError(f"columns.mask_of must name a column for each of class_names, {list(self.class_names)}")
        if mask_of is not None and self.labels != "binary":
            raise ValueError("columns.mask_of goes with labels: binary, as each class has a mask file of its own")
        if mask_of is None and self.columns.mask is None:
            raise ValueError("columns: give mask or mask_of")
        if len(self.class_names) > 1 and self.labels == "binary" and mask_of is None:
            raise ValueError("several classes need labels: class_index or colour, or columns.mask_of")
        if self.test_csv is not None and self.test_images is not None:
            raise ValueError("give test_csv or test_images, not both")
        if self.columns.group is not None and self.groups_csv is not None:
            raise ValueError("give columns.group or groups_csv, not both")
        return self


class CocoData(_Data):
    """Images in folders, labels as COCO json: polygons and both kinds of run lengths."""

    format: Literal["coco"] = "coco"
    train_images: str = "train/images"
    train_json: str = "train/coco_annotations.json"
    valid_images: str | None = None  # joins the training images; split folds can hold it out
    valid_json: str | None = None
    test_images: str | None = None
    # class name -> the categories it is made of, or all of them; a class that is not here is the category of its name
    merge: dict[str, Literal["all"] | tuple[str, ...]] = {}  # noqa: RUF012  # frozen, like every section
    crowd: Literal["use", "ignore"] = "use"  # annotations with iscrowd: 1
    unlisted_images: Literal["refuse", "ignore", "empty"] = "refuse"  # files that the json does not name

    @model_validator(mode="after")
    def _merge_names_classes(self) -> CocoData:
        unknown = sorted(set(self.merge) - set(self.class_names))
        if unknown:
            raise ValueError(f"merge: {', '.join(unknown)} is not among class_names, {list(self.class_names)}")
        if (self.valid_images is None) != (self.valid_json is None):
            raise ValueError("valid_images and valid_json come together")
        return self


class AutoData(_Excluding):
    """A folder that is looked at to find out which of the other formats it has."""

    format: Literal["auto"] = "auto"
    root: str
    class_names: tuple[str, ...] = ()  # empty: found out too


DataConfig = Annotated[RleCsvData | MaskFoldersData | PathsCsvData | CocoData | AutoData, Field(discriminator="format")]


class DemoConfig(Section):
    """The generated demo competition; present only in configs whose data src/make_demo_data.py draws."""

    seed: int = Field(0, ge=0)
    train_images: int = Field(360, ge=8)
    test_images: int = Field(120, ge=1)
    # px; the largest defects must fit
    height: int = Field(64, ge=48)
    width: int = Field(400, ge=96)
