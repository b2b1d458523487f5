"""Which images are slices of one volume or frames of one clip, and in which order."""

from __future__ import annotations

import re

from pydantic import model_validator

from maskfold.config.section import Section


class VolumesConfig(Section):
    """Images that are slices of a volume or frames of a clip (docs/how-to/neighbours.md): all images of a volume are
    one group, which stays in one fold, and `model.neighbours` gives a network the images before and after each.

    Exactly one of `name` and `csv`.
    """

    name: str | None = None
    """A regular expression with the groups `volume` and `index`, such as `(?P<volume>.+)_(?P<index>\\d+)`, that fits
    the name of each image's file without its suffix, or the end of its path: `(?P<volume>[^/]+)/(?P<index>\\d+)`.
    Files in the folders of the images that fit are neighbours too, labelled or not. null: from `csv`."""

    csv: str | None = None
    """A csv with the columns ImageId, Volume and Index (a whole number), of all training and test images. Relative
    paths start at `root`. null: from `name`."""

    @model_validator(mode="after")
    def _pattern(self) -> VolumesConfig:
        if (self.name is None) == (self.csv is None):
            raise ValueError("give exactly one of name and csv")
        if self.name is None:
            return self
        try:
            groups = re.compile(self.name).groupindex
        except re.error as error:
            raise ValueError(f"name: no regular expression: {error}; found {self.name!r}") from None
        missing = [f"(?P<{group}>…)" for group in ("volume", "index") if group not in groups]
        if missing:
            raise ValueError(f"name: expected the groups volume and index, {', '.join(missing)} not in {self.name!r}")
        return self
