"""Greedy soups: the mean of the weights of those checkpoints that each make it better on the validation images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pandas as pd
from torch import Tensor

from maskfold.config import Experiment
from maskfold.data.competition import Competition
from maskfold.inference.predict import Ensemble
from maskfold.mask_metrics.metric import mask_metric
from maskfold.network.model import SegmentationModel
from maskfold.pixels.exclusive import decided_maps
from maskfold.training.checkpoints import chosen_weights, mean_weights
from maskfold.training.validation import ValidationScores

State: TypeAlias = dict[str, Tensor]


class Soup(NamedTuple):
    """weights: the mean of the taken states; taken: their places; first, last: scores of the first alone and of all."""

    weights: State
    taken: tuple[int, ...]
    first: float
    last: float


def greedy_soup(states: Sequence[State], score: Callable[[State], float]) -> Soup:
    """The mean of states of one network, tried in their order: one is taken if the mean with it scores higher.

    states: best first, at least one. After Wortsman et al. 2022, arXiv 2203.05482, which also takes equals.
    """
    weights, taken = states[0], [0]
    first = last = score(weights)
    for place in range(1, len(states)):
        mean = mean_weights([states[each] for each in [*taken, place]])
        found = score(mean)
        if found > last:
            weights, taken, last = mean, [*taken, place], found
    return Soup(weights, tuple(taken), first, last)


def best_soup(folder: Path, name: str, score: Callable[[State], float]) -> State:
    """The weights of the greedy soup of the best checkpoints of a training; prints how it came about in one line.

    folder: of one fold; name: of the model in words. Raises ValueError for a damaged checkpoint.
    """
    states = chosen_weights(folder, "ensemble")
    assert isinstance(states, list)
    soup = greedy_soup(states, score)
    print(
        f"train: {name}: a soup of {len(soup.taken)} of {len(states)} checkpoints, metric {soup.last:.4f} (the best "
        f"alone {soup.first:.4f}); they were chosen on the validation images, so these scores are slightly too good",
        flush=True,
    )
    return soup.weights


def validation_score(
    config: Experiment, competition: Competition, images: pd.DataFrame, model: SegmentationModel
) -> Callable[[State], float]:
    """The metric of weights on images at threshold 0.5, predicted as the OOF predictions are, with views and tiles.

    model: the network of a run, which takes the weights that are scored.
    """

    def score(state: State) -> float:
        """Their mean over the images."""
        model.load_state_dict(state)
        scores = ValidationScores(config.tuning.metric, mask_metric(config.tuning))
        for image_id, prob, _ in Ensemble.of(config, [model]).predict_images(images):
            decided = decided_maps(prob) if competition.exclusive else prob
            scores.add(decided, competition.masks(image_id), competition.ignored_in(image_id))
        return scores.mean()

    return score
