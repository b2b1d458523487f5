"""The tuned artefact, postprocess.json: the rule of each class and what it is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import display
from maskfold.config import Combine
from maskfold.errors import StaleError, UsageError
from maskfold.rules.rules import DEFAULT_RULE, EMPTY_RULE, AnyRule, Rule, Strict

Adopted = Literal["default", "tuned", "empty"]


class RuleScores(Strict):
    """Scores on the OOF images, 0..1.

    all_empty: every prediction blank; default: threshold 0.5, no minimum area; tuned: the chosen rule on the images it
    was chosen on; honest: chosen on the other folds.
    """

    all_empty: float
    default: float
    tuned: float
    honest: float


class Pair(Strict):
    """One figure under the default and under the tuned rule; None where no image shows the class."""

    default: float | None
    tuned: float | None


class Interval(Strict):
    """A 95 % bootstrap interval."""

    low: float
    high: float


class Plateau(Strict):
    """How far the settings within noise of the best reach; `best` is the score at the very peak."""

    best: float
    settings: int
    threshold: tuple[int, int]
    min_area_px: tuple[int, int]


class TunedClass(Strict):
    """What was chosen for one class, and how good it is."""

    class_name: str
    rule: Rule  # the one to use: the tuned where adopted, else the default, or the one that is always empty
    tuned_rule: Rule
    default_rule: Rule = DEFAULT_RULE
    adopted: bool
    reason: str  # why it was adopted or not, in words
    scores: RuleScores
    # The honest score with the choice between the tuned rule, the default and nothing made on the other folds too; None
    # in files made before there was that choice.
    honest_used: float | None = None
    gain_interval: Interval | None = None  # of honest minus default
    non_empty_dice: Pair  # mean Dice on the images that show the class
    predicted_share: Pair  # share of images predicted non-empty
    true_share: float  # share of images that show the class
    plateau: Plateau | None = None

    @property
    def used(self) -> Adopted:
        """Which rule is used."""
        if self.adopted:
            return "tuned"
        return "empty" if self.rule == EMPTY_RULE else "default"


class TunedArtefact(Strict):
    """postprocess.json: the rules, what they were tuned on, and their scores."""

    format_version: Literal[1] = 1
    name: str
    metric: str
    classes: tuple[TunedClass, ...]
    scores: RuleScores  # means over classes; tuned and honest are of the rules in use
    tta: tuple[str, ...]  # views; of a blend <member>/<view>
    ensemble_weights: dict[str, float]  # fold0 -> weight; of a blend member -> weight
    combine: Combine | None = None  # of a blend: how its members' probabilities become one
    predicted_with: dict[str, Any] | None = None  # `ensemble.network_settings`; null for OOF of other pipelines
    checkpoints: dict[str, str]  # fold0 (of a blend <member>/fold0) -> SHA-256 of the weights OOF was predicted with
    oof: dict[str, str]  # fold0 -> SHA-256 of the OOF file

    @property
    def rules(self) -> tuple[AnyRule, ...]:
        """The rule in use of each class."""
        return tuple(entry.rule for entry in self.classes)

    def write(self, path: Path) -> None:
        """Write the artefact whole or not at all."""
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(self.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> TunedArtefact:
        """Read an artefact. Raises StaleError when it is missing, damaged or of another version."""
        try:
            return cls._read(path)
        except ValueError as error:
            reason = str(error)
            command = f"python src/tune_thresholds.py --config configs/{path.parent.name}.yaml"
            raise StaleError(f"{display(path)}: no usable tuned rules ({reason}); run `{command}`") from None

    @classmethod
    def read_edited(cls, path: Path) -> TunedArtefact:
        """Read a file that was edited by hand. Raises UsageError that names the first key that cannot be used."""
        try:
            return cls._read(path)
        except ValueError as error:
            raise UsageError(f"{display(path)}: not usable as rules: {error}") from None

    @classmethod
    def _read(cls, path: Path) -> TunedArtefact:
        """Read a file. Raises ValueError with the first reason why it cannot be used."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise ValueError(_first_problem(error)) from None
        except OSError as error:
            raise ValueError(str(error)) from None


def _first_problem(error: ValidationError) -> str:
    """`classes.0.rule: field required` of the first of pydantic's problems."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
