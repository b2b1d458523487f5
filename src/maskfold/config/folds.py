"""How the training images are cut into folds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from maskfold.config.section import Section


class FoldsConfig(Section):
    """How the training images are cut: what each model is trained and scored on (docs/how-to/choose-folds.md).

    k_fold: one model a fold and repeat; hold_out, valid_folder (the data's own validation images): one model, scored on
    the images held out; csv: one model a fold of a given file. Folds are stratified and respect groups.
    """

    kind: Literal["k_fold", "hold_out", "valid_folder", "csv"] = "k_fold"
    count: int = Field(5, ge=2, le=50)  # folds; of held-out images parts, each scored with what was tuned on the others
    repeats: int = Field(1, ge=1, le=20)  # of k_fold, each cut in another way
    share: float = Field(0.2, gt=0, lt=1)  # of the images that hold_out holds out
    csv: str | None = None  # image_id,fold; a path like data.root

    @model_validator(mode="after")
    def _every_key_belongs_to_the_kind(self) -> FoldsConfig:
        for key, kind in (("repeats", "k_fold"), ("share", "hold_out"), ("csv", "csv")):
            if self.kind != kind and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} goes with kind: {kind}, found kind: {self.kind}")
        if self.kind == "csv" and self.csv is None:
            raise ValueError("kind: csv needs csv, a file with the columns image_id and fold")
        return self

    @property
    def held_out_once(self) -> bool:
        """Whether there is one model, and the folds are parts of the images it has not seen."""
        return self.kind in ("hold_out", "valid_folder")

    @property
    def models(self) -> int:
        """How many models are trained; each has a folder fold<k>. The OOF lies in `count` files whatever the kind."""
        return 1 if self.held_out_once else self.count * self.repeats

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the folds csv that hold a cut: fold, and repeat1, repeat2, … where there are repeats."""
        return ("fold", *(f"repeat{repeat}" for repeat in range(1, self.repeats)))

    @property
    def title(self) -> str:
        """What there is, in words."""
        if self.held_out_once:
            whose = "the competition's own validation images" if self.kind == "valid_folder" else "a hold-out"
            return f"one model, scored on {whose} in {self.count} parts"
        return f"{self.count} folds" + (f", {self.repeats} times ({self.models} models)" if self.repeats > 1 else "")
