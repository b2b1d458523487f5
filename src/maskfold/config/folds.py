"""How the training images are split into folds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from maskfold.config.section import Section


class FoldsConfig(Section):
    """How the training images are split: what each model is trained and scored on (docs/how-to/choose-folds.md).

    Folds are stratified by the classes that the images show, and images of one group stay together.
    """

    kind: Literal["k_fold", "hold_out", "valid_folder", "csv"] = "k_fold"
    """`k_fold`: one model a fold. `hold_out`: one model, scored on a share of the images that is held out.
    `valid_folder`: one model, scored on the competition's own validation images. `csv`: one model a fold of a file that
    you give."""

    count: int = Field(5, ge=2, le=50)
    """Number of folds. With `hold_out` and `valid_folder`: number of parts of the held-out images, each scored with the
    rules tuned on the others."""

    repeats: int = Field(1, ge=1, le=20)
    """With `k_fold`: how many times the images are split, each time differently; `count` times `repeats` models are
    trained. More repeats average out the luck of one split."""

    share: float = Field(0.2, gt=0, lt=1)
    """With `hold_out`: share of the training images that is held out."""

    csv: str | None = None
    """With `csv`: a file with the columns image_id and fold (0, 1, …; -1: always trained on, never scored). Relative
    paths start at the repository."""

    @model_validator(mode="after")
    def _every_key_belongs_to_the_kind(self) -> FoldsConfig:
        for key, kind in (("repeats", "k_fold"), ("share", "hold_out"), ("csv", "csv")):
            if self.kind != kind and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key}: only with kind: {kind}, found kind: {self.kind}")
        if self.kind == "csv" and self.csv is None:
            raise ValueError("kind: csv needs folds.csv, a file with the columns image_id and fold")
        return self

    @property
    def held_out_once(self) -> bool:
        """Whether there is one model, and the folds are parts of the images it has not seen."""
        return self.kind in ("hold_out", "valid_folder")

    @property
    def part_word(self) -> str:
        """What one of the `count` OOF files is called: a fold has a model of its own, a part of a hold-out has not."""
        return "part" if self.held_out_once else "fold"

    @property
    def models(self) -> int:
        """How many models are trained, each in a folder fold<k>. The OOF has `count` files whatever the kind."""
        return 1 if self.held_out_once else self.count * self.repeats

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the folds csv that hold a split: fold, and repeat1, repeat2, … where there are repeats."""
        return ("fold", *(f"repeat{repeat}" for repeat in range(1, self.repeats)))

    @property
    def title(self) -> str:
        """The kind and the number of folds in words."""
        if self.held_out_once:
            whose = "the competition's own validation images" if self.kind == "valid_folder" else "a hold-out"
            return f"one model, scored on {whose} in {self.count} parts"
        return f"{self.count} folds" + (f", {self.repeats} times ({self.models} models)" if self.repeats > 1 else "")
