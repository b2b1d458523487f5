"""The weights of a blend as they are kept and shown: blend.json and the table of what each member is worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from maskfold.artefacts.files import whole_file
from maskfold.blending.scores import Weights
from maskfold.blending.weights import BlendScorer, ChosenWeights, Method, alone, choose_weights, equal
from maskfold.config import Combine, TuningConfig
from maskfold.execution.console import print_table, table_of


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class WeightSearch:
    """How weights are searched: the way to combine, the method, its trials, and the metric."""

    combine: Combine
    method: Method
    trials: int
    metric: str


class ScoredWeights(_Strict):
    """Weights in the order of the members, and their scores on the sampled images.

    tuned: with the best setting of every class; honest: with settings, and where they were searched weights, chosen on
    the other folds.
    """

    title: str
    weights: tuple[float, ...]
    tuned: float
    honest: float


class BlendChoice(_Strict):
    """blend.json: how much each member counts, and why."""

    combine: Combine
    method: Method
    metric: str
    weights: dict[str, float]  # member -> weight, summing to 1
    adopted: bool  # whether searched weights replace equal ones
    reason: str
    scores: tuple[ScoredWeights, ...]  # each member alone, equal weights, and what the search found
    sampled_images: int
    images: int

    def write(self, path: Path) -> None:
        """Write the file whole or not at all."""
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(self.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> BlendChoice | None:
        """Read the file; None when it is damaged or of another version."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError):
            return None


def choose_blend(
    names: Sequence[str], search: WeightSearch, seed: int, scorer: BlendScorer, sampled_images: int, images: int
) -> BlendChoice:
    """Choose the weights of what is blended, members or views, and score what they are chosen from.

    names: of the members; search: how; scorer: of the sampled images; images: how many OOF images there are.
    """
    chosen = choose_weights(scorer, len(names), search.method, search.trials, seed)
    singles = [alone(index, len(names)) for index in range(len(names))]
    rows = [_scored(scorer, f"{name} alone", weights) for name, weights in zip(names, singles, strict=True)]
    rows.append(_scored(scorer, "equal weights", equal(len(names))))
    if chosen.candidate != equal(len(names)):
        rows.append(_searched(scorer, search.method, chosen))
    return BlendChoice(
        combine=search.combine,
        method=search.method,
        metric=search.metric,
        weights=dict(zip(names, chosen.weights, strict=True)),
        adopted=chosen.adopted,
        reason=chosen.reason,
        scores=tuple(rows),
        sampled_images=sampled_images,
        images=images,
    )


def _scored(scorer: BlendScorer, title: str, weights: Weights) -> ScoredWeights:
    honest = scorer.honest([weights] * scorer.folds).score
    return ScoredWeights(title=title, weights=weights, tuned=float(scorer.of(weights).peaks[0]), honest=honest)


def _searched(scorer: BlendScorer, title: str, chosen: ChosenWeights) -> ScoredWeights:
    tuned = float(scorer.of(chosen.candidate).peaks[0])
    return ScoredWeights(title=title, weights=chosen.candidate, tuned=tuned, honest=chosen.candidate_honest)


def other_metric(tuning: TuningConfig) -> str | None:
    """What is said where weights are searched by another metric than that of the config; None where they are not."""
    searched_by = tuning.with_exact_metric().metric
    if searched_by == tuning.metric:
        return None
    return f"weights are searched by {searched_by}, because {tuning.metric} has no exact tables; rules are tuned by it"


def print_choice(name: str, choice: BlendChoice, stage: str = "predict_oof", what: str = "blend") -> None:
    """Print each member alone, the blends, and which weights are used.

    name: of the run; stage: that speaks; what: the members make together.
    """
    print(f"{name}: {choice.metric} of the component rule on {choice.sampled_images} of {choice.images} OOF images")
    table = table_of([f"{choice.combine} of", "weights"], ["tuned", "honest"])
    for row in choice.scores:
        weights = " / ".join(f"{weight:.2f}" for weight in row.weights)
        table.add_row(row.title, weights, f"{row.tuned:.4f}", f"{row.honest:.4f}")
    print_table(table)
    used = ", ".join(f"{member} {weight:.3f}" for member, weight in choice.weights.items())
    print(f"{stage}: weights in use: {used} ({choice.reason})")
    best = max(choice.scores, key=lambda row: row.honest)
    if best.title.endswith(" alone"):
        print(f"{stage}: {best.title} has the best honest score; the {what} may not be worth the time")
