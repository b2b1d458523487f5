"""Where images and labels are, and in which format."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from maskfold.config.data.coco import CocoData
from maskfold.config.data.every_format import AnyData
from maskfold.config.data.mask_folders import MaskFoldersData
from maskfold.config.data.paths_csv import PathsCsvData
from maskfold.config.data.rle_csv import RleCsvData

_FORMATS = (RleCsvData, MaskFoldersData, PathsCsvData, CocoData)


class AutoData(AnyData):
    """A folder whose format is recognised; the section that means the same is printed.

    Keys of the format that the folder turns out to have may be set too; the others are found out.
    """

    model_config = ConfigDict(extra="allow")

    format: Literal["auto"] = "auto"
    """Find out which of the other formats the folder has."""

    root: str
    """Folder of the competition's data. Relative paths start at the repository."""

    class_names: tuple[str, ...] = ()
    """Names of the classes, in order. `[]`: found out too."""

    @model_validator(mode="after")
    def _keys_of_a_format(self) -> AutoData:
        known = sorted({*AutoData.model_fields, *(name for section in _FORMATS for name in section.model_fields)})
        for name in self.given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"did you mean data.{near[0]}?" if near else f"keys of all formats: {', '.join(known)}"
                raise ValueError(f"{name}: unknown key; {hint}")
        return self

    @property
    def given(self) -> dict[str, object]:
        """The keys of a format that the config sets, with their values as they stand in it, not checked yet."""
        return dict(self.model_extra or {})


DataConfig = Annotated[RleCsvData | MaskFoldersData | PathsCsvData | CocoData | AutoData, Field(discriminator="format")]
