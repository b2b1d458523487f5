"""The HTML pages of a run."""

from __future__ import annotations

from pydantic import Field

from maskfold.config.section import Section


class ReportConfig(Section):
    """The HTML pages of a run."""

    examples: int = Field(12, ge=0)  # OOF images of a kind (worst, …) on the first page
    oof_gallery: bool = True  # a page of all OOF images; some 10 kB each
    test_gallery: bool = True  # a page of all test images with the submitted masks
    picture_px: int = Field(512, ge=64, le=4096)  # longest side of the galleries' pictures
