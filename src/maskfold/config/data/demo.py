"""The generated demo competition."""

from __future__ import annotations

from pydantic import Field

from maskfold.config.section import Section


class DemoConfig(Section):
    """The demo competition that src/make_demo_data.py generates below `data.root`."""

    seed: int = Field(0, ge=0)
    """Seed of the images."""

    train_images: int = Field(360, ge=8)
    """Number of training images."""

    test_images: int = Field(120, ge=1)
    """Number of test images."""

    height: int = Field(64, ge=48)
    """Height of an image in pixels."""

    width: int = Field(400, ge=96)
    """Width of an image in pixels."""
