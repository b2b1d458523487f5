"""How the pixels of mask images show classes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from maskfold.config.data.every_format import LabelledData

_Labels = Literal["binary", "class_index", "colour"]
_Colour = tuple[int, int, int]  # red, green, blue, each 0..255


class MaskImageData(LabelledData):
    """How the pixels of mask images show classes.

    Values that are neither a class nor background are refused in png masks; in jpg masks, which blur them, each pixel
    takes the nearest value.
    """

    labels: _Labels = "binary"
    """`binary`: a pixel is in the mask or not; several classes need a mask file each. `class_index`: each class has
    grey values or palette indices. `colour`: each class has colours."""

    mask_threshold: int = Field(128, ge=1, le=255)
    """With `binary`: the least grey value of a pixel in the mask. Use 1 for masks of zeros and ones."""

    soft: bool = False
    """With `binary`: grey values are probabilities, 0 to 255 for 0 to 1, such as the mean of several annotators
    (docs/how-to/soft-labels.md). Training takes them as they are; folds, scores and tuning take a pixel as in the mask
    from 0.5. Arrays (npy) may hold fractions from 0 to 1."""

    class_values: dict[str, int | tuple[int, ...]] | None = None
    """With `class_index`: the values of each class, as `{cat: 8, dog: [9, 10]}`. null: 1, 2, … in the order of the
    classes."""

    class_colours: dict[str, _Colour | tuple[_Colour, ...]] | None = None
    """With `colour`: the colours of each class (red, green, blue; 0 to 255), as `{cat: [255, 0, 0]}`."""

    background_values: tuple[int, ...] = (0,)
    """With `class_index`: values of the background."""

    background_colours: tuple[_Colour, ...] = ((0, 0, 0),)
    """With `colour`: colours of the background."""

    ignore_value: Annotated[int, Field(ge=0)] | _Colour | None = None
    """Value of pixels that nobody labelled (often 255), which losses, scores and the label audit leave out; with
    `colour` a colour. A pixel is ignored if any mask file of its image has this value there. null: none."""

    resize_masks: bool = False
    """Resize a mask of another size than its photo (nearest pixel). Otherwise it is an error."""

    @model_validator(mode="after")
    def _every_class_has_values_of_its_own(self) -> MaskImageData:
        given = {"class_index": self.class_values, "colour": self.class_colours}
        for labels, key in (("class_index", "class_values"), ("colour", "class_colours")):
            if given[labels] is not None and labels != self.labels:
                raise ValueError(f"{key}: only with labels: {labels}, found labels: {self.labels}")
            if given[labels] is not None and set(given[labels] or {}) != set(self.class_names):
                raise ValueError(f"{key}: must name each of class_names, {list(self.class_names)}")
        if self.labels == "colour" and self.class_colours is None:
            raise ValueError("labels: colour needs class_colours, for example {cat: [255, 0, 0]}")
        if self.ignore_value is not None and isinstance(self.ignore_value, int) == (self.labels == "colour"):
            expected = "a colour, [red, green, blue]" if self.labels == "colour" else "one number"
            raise ValueError(f"ignore_value: expected {expected} with labels: {self.labels}, found {self.ignore_value}")
        if self.soft and (self.labels != "binary" or self.mask_threshold != 128):
            raise ValueError("soft: only with labels: binary, and mask_threshold is 128, a probability of 0.5")
        if self.soft and self.ignore_value is not None:
            raise ValueError("ignore_value: with soft masks every value is a probability; use ignore_masks")
        values = [value for own in self.values_of() for value in own]
        if self.ignore_number in values:
            raise ValueError(f"ignore_value: {self.ignore_value} is a value of a class or of the background too")
        if self.labels != "binary" and len(set(values)) != len(values):
            raise ValueError(
                "class_values or class_colours: two classes, or a class and the background, have one in common"
            )
        return self

    def _check_mean(self, key: str) -> None:
        """Raise ValueError for several masks that are averaged, by the option `key`, but are not binary."""
        if self.labels != "binary" or self.ignore_value is not None:
            raise ValueError(f"{key}: mean needs labels: binary and no ignore_value (use ignore_masks)")

    @property
    def ignore_number(self) -> int | None:
        """The ignored value, a colour as one number."""
        return _packed(self.ignore_value) if isinstance(self.ignore_value, tuple) else self.ignore_value

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
