"""Where images and labels are, and in which format."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from maskfold.config.data.coco import CocoData
from maskfold.config.data.every_format import AnyData
from maskfold.config.data.mask_folders import MaskFoldersData
from maskfold.config.data.paths_csv import PathsCsvData
from maskfold.config.data.rle_csv import RleCsvData


class AutoData(AnyData):
    """A folder whose format is recognised; the section that means the same is printed."""

    format: Literal["auto"] = "auto"
    """Find out which of the other formats the folder has."""

    root: str
    """Folder of the competition's data. Relative paths start at the repository."""

    class_names: tuple[str, ...] = ()
    """Names of the classes, in order. `[]`: found out too."""


DataConfig = Annotated[RleCsvData | MaskFoldersData | PathsCsvData | CocoData | AutoData, Field(discriminator="format")]
