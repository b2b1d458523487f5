"""What every data format has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from maskfold.config.data.volumes import VolumesConfig
from maskfold.config.section import Section
from maskfold.execution.text import controls

Range = tuple[float, float]
IntensityRule = Literal["auto", "full_range", "percentile"] | Range | tuple[Range, ...]

Orientation = Literal["auto", "stored", "upright"]


class AnyData(Section):
    """What every format has, `auto` too."""

    exclude: str | None = None
    """A csv with the column image_id: training images to leave out (docs/how-to/choose-folds.md), such as the label
    audit writes. Relative paths start at the repository, not at `root`. null: none."""

    exclude_from: Literal["training", "everything"] = "training"
    """What the excluded images are left out of. `training`: no model is trained on them, but they are scored.
    `everything`: also the out-of-fold predictions, tuning and scores."""

    intensity: IntensityRule = "auto"
    """Which stored values a network sees as black and white. `auto`: 8 bits as they are (0..255), deeper images as with
    `percentile`. `full_range`: the range of the files' type. `percentile`: from the 0.5th to the 99.5th percentile of
    the training images, for each channel. `[low, high]`: these values, or a list of such pairs, one a channel. The
    range is stored with each trained model."""

    exclusive: bool = False
    """Each pixel is of one class or of none, as in maps of land cover (docs/how-to/exclusive-classes.md): a softmax
    over the classes and the background instead of a sigmoid a class, and at most one class a pixel in the submission.
    Labels in which classes overlap are an error."""

    orientation: Orientation = "auto"
    """How images and masks with an EXIF or TIFF orientation are read, test images too. `stored`: the pixels in the
    file, whatever a viewer shows. `upright`: what a viewer shows. `auto`: `stored` if the sizes of the masks prove that
    they belong to stored pixels, else such files are an error. `predict.py` always reads photos upright."""

    volumes: VolumesConfig | None = None
    """Which images are slices of one volume or frames of one clip. null: each image stands alone."""

    @model_validator(mode="after")
    def _ascending_intensity(self) -> AnyData:
        rule = self.intensity
        if not isinstance(rule, str):
            pairs = rule if isinstance(rule[0], tuple) else (rule,)
            if any(low >= high for low, high in pairs):
                raise ValueError(f"intensity: expected [low, high] with low below high, found {rule}")
        return self


class LabelledData(AnyData):
    """What every format but `auto` has. Relative paths start at `root`."""

    root: str
    """Folder of the competition's data. Relative paths start at the repository."""

    class_names: tuple[str, ...] = Field(min_length=1)
    """Names of the classes, in order."""

    sample_submission: str | None = "auto"
    """The competition's sample submission, a csv or json. `auto`: the one file in `root` that is called so, if there is
    one. null: none; `submission` then says what to write."""

    groups_csv: str | None = None
    """A csv with the columns ImageId and GroupId: images of one group (of one object, say) stay in one fold. null:
    none."""

    ignore_masks: str | None = None
    """Masks of the pixels that nobody labelled, which losses, scores and the label audit leave out: a folder, or a
    pattern such as `void/{stem}_ignore.png`, where `{stem}` is the image id without suffix. Pixels that are not 0 are
    ignored; an image without such a file is labelled everywhere. null: none."""

    check: Literal["auto", "decode", "header"] = "auto"
    """How image files are checked before any work. `decode`: each is decoded once. `header`: only its size and its end
    are looked at. `auto`: `header` if more than 20,000 files are new, else `decode`."""

    @model_validator(mode="after")
    def _distinct_classes(self) -> LabelledData:
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError(f"class_names: each name once, found {list(self.class_names)}")
        for name in self.class_names:
            if controls(name):
                raise ValueError(
                    f"class_names: {name!a} holds control characters, {controls(name)!a}; rename the class"
                )
        if self.ignore_masks is not None and "{" in self.ignore_masks and self.ignore_masks.count("{stem}") != 1:
            raise ValueError(f"ignore_masks: expected a folder, or {{stem}} once, found {self.ignore_masks!r}")
        return self
