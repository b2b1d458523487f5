"""Test images with the predictions of a finished run as their labels, and what the two runs must share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from maskfold.config.blend import differences
from maskfold.config.section import Section

if TYPE_CHECKING:
    from maskfold.config.experiment import Config

_MAY_DIFFER = ("data.check", "data.exclude", "data.exclude_from", "data.sample_submission")


class PseudoLabelsConfig(Section):
    """Confident test predictions of a finished run that join the training images of each fold; never validated on."""

    run: Config  # written as a config file, relative to the config's own
    min_confidence: float = Field(0.9, ge=0, le=1)  # of an image, as docs/training.md defines it
    max_share: float = Field(0.3, gt=0, lt=1)  # of the draws of an epoch, at most


def pseudo_label_problems(config: Config) -> list[str]:
    """What keeps a run from labelling the test images of another, one line each."""
    if config.pseudo_labels is None or config.blend is not None:  # a blend trains nothing
        return []
    source = config.pseudo_labels.run
    where = f"pseudo_labels.run: {source.name}"
    problems = []
    if source.name == config.name:
        problems.append(f"{where}: bears the name of this run itself; a run cannot learn from its own predictions")
    if source.blend is not None:
        problems.append(f"{where}: is a blend, which has no model a fold; name one of its members")
    for section in ("data", "folds"):
        lines = differences(config, source, section, "this config", _MAY_DIFFER)
        problems += [f"{where}: {line}" for line in lines]
    return problems
