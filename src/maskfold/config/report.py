"""The HTML pages of a run."""

from __future__ import annotations

from pydantic import Field

from maskfold.config.section import Section


class ReportConfig(Section):
    """The HTML pages of a run."""

    examples: int = Field(12, ge=0)
    """Number of out-of-fold images of each kind (worst, false positives, …) on the first page."""

    oof_gallery: bool = True
    """Make a page of all out-of-fold images. It takes 10 to 40 kB an image, most for its probabilities."""

    test_gallery: bool = True
    """Make a page of all test images with the submitted masks."""

    edge_px: int = Field(3, ge=0, le=100)
    """In the breakdown of errors, wrong pixels so near to the border of a true object that is found are edge errors;
    in pixels of the full image. 0: there are none."""

    picture_px: int = Field(512, ge=64, le=4096)
    """Longest side of the pictures in the galleries, in pixels. Larger images are reduced to it."""
