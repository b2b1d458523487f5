"""The table of what each member of a blend is worth, the file it is kept in, and the images it is chosen on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from maskfold.blending.choice import BlendChoice, WeightSearch, choose_blend, other_metric, print_choice
from maskfold.blending.oof_subset import drawn_images, sample_images
from maskfold.blending.scores import HonestScore, VectorScores
from maskfold.config import TuningConfig
from maskfold.data.competition import Competition
from maskfold.errors import DataError
from maskfold.oof.store import OofWriter


class Worth:
    """Scores of two members on two folds, best with `target` of the weight on the first."""

    folds = 2

    def __init__(self, target):
        self.target = target

    def of(self, weights):
        return VectorScores(np.array([0.9 - abs(weights[0] - self.target)] * 3), np.zeros(0))

    def honest(self, of_fold):
        by_fold = np.array([0.8 - abs(weights[0] - self.target) for weights in of_fold])
        return HonestScore(float(by_fold.mean()), by_fold)


def choice_of(target, method="greedy"):
    return choose_blend(("a", "b"), WeightSearch("logit", method, 4, "dice"), 0, Worth(target), 12, 30)


def test_each_member_alone_equal_weights_and_what_was_found():
    choice = choice_of(0.75)
    assert [row.title for row in choice.scores] == ["a alone", "b alone", "equal weights", "greedy"]
    assert [row.weights for row in choice.scores] == [(1, 0), (0, 1), (0.5, 0.5), (0.75, 0.25)]
    assert [row.tuned for row in choice.scores] == pytest.approx([0.65, 0.15, 0.65, 0.9])
    assert [row.honest for row in choice.scores] == pytest.approx([0.55, 0.05, 0.55, 0.8])
    assert (choice.weights, choice.adopted) == ({"a": 0.75, "b": 0.25}, True)
    assert (choice.combine, choice.method, choice.metric) == ("logit", "greedy", "dice")
    assert (choice.sampled_images, choice.images) == (12, 30)


@pytest.mark.parametrize("method", ["greedy", "equal"])
def test_a_search_that_found_equal_weights_is_no_row(method):
    choice = choice_of(0.5 if method == "greedy" else 0.75, method)
    assert [row.title for row in choice.scores] == ["a alone", "b alone", "equal weights"]
    assert (choice.weights, choice.adopted) == ({"a": 0.5, "b": 0.5}, False)


def test_the_file_is_read_again_and_a_damaged_one_is_none(tmp_path):
    path, choice = tmp_path / "blend.json", choice_of(0.75)
    assert BlendChoice.read(path) is None
    choice.write(path)
    assert BlendChoice.read(path) == choice
    path.write_text(path.read_text()[:-10])
    assert BlendChoice.read(path) is None


def test_a_member_that_is_best_alone_is_named(capsys):
    print_choice("mine", choice_of(0.75))
    out = capsys.readouterr().out
    assert "mine: dice of the component rule on 12 of 30 OOF images" in out
    assert "weights in use: a 0.750, b 0.250" in out and "worth the time" not in out
    print_choice("mine", choice_of(1.0, "equal"))
    assert "a alone has the best honest score; the blend may not be worth the time" in capsys.readouterr().out


def test_a_metric_without_tables_is_named():
    assert other_metric(TuningConfig(metric="iou")) is None
    said = other_metric(TuningConfig(metric="boundary_iou"))
    assert said is not None and "because boundary_iou has no exact tables" in said


def competition_of(sizes, classes=2):
    """sizes: image_id -> (height, width)."""
    rows = [(name, height, width) for name, (height, width) in sizes.items()]
    table = pd.DataFrame(rows, columns=["image_id", "height", "width"])
    masks = {name: np.ones((classes, *size), np.uint8) for name, size in sizes.items()}
    return Competition(tuple("abcd"[:classes]), table, table.iloc[:0], masks.__getitem__)


def test_images_are_drawn_until_their_maps_reach_the_budget():
    sizes = {f"i{number}": (number + 1, 10) for number in range(6)}  # of 20, 40, … 120 px with two classes
    competition = competition_of(sizes)
    names = [f"i{number}" for number in (5, 3, 1, 0, 2, 4)]
    order = np.random.default_rng([7, 1]).permutation(sorted(names)).tolist()
    pixels = [20 * (int(name[1:]) + 1) for name in order]
    for budget in range(0, 430, 10):
        count = max(1, sum(total <= budget for total in np.cumsum(pixels)))
        found = drawn_images(names, competition, budget, [7, 1])
        assert found == [name for name in names if name in order[:count]]


def write(path, fold, maps):
    with OofWriter(path, 2) as writer:
        for name, prob in maps.items():
            writer.write(name, fold, prob)
    return path


def test_members_are_stacked_in_their_order_and_each_fold_has_an_equal_budget(tmp_path):
    sizes = {"a": (2, 3), "b": (3, 2), "c": (4, 5), "d": (2, 2)}
    competition = competition_of(sizes)
    files = []
    for fold, names in enumerate(("ab", "cd")):
        maps = [{name: np.full((2, *sizes[name]), 10 * member + fold, np.uint8) for name in names} for member in (1, 2)]
        files.append([write(tmp_path / f"{fold}-{member}", fold, of) for member, of in enumerate(maps)])
    everything = sample_images(files, competition, 200, 0)
    assert [(image.image_id, image.fold) for image in everything] == [("a", 0), ("b", 0), ("c", 1), ("d", 1)]
    for image in everything:
        assert image.members.shape == (2, 2, *sizes[image.image_id])
        assert image.members[:, 0, 0, 0].tolist() == [10 + image.fold, 20 + image.fold]
        assert image.truth.all() and image.ignored is None
    # Half of 50 px a fold: a and b have 12 each, c has 40 and d 8.
    assert [image.image_id for image in sample_images(files, competition, 50, 0)][:2] == ["a", "b"]
    assert len(sample_images(files, competition, 50, 0)) == 3
    files[1][1] = write(tmp_path / "wrong", 1, {name: np.zeros((2, 4, 4), np.uint8) for name in "cd"})
    with pytest.raises(DataError, match=r"wrong: image c: maps of shape \(2, 4, 4\), the truth has \(2, 4, 5\)"):
        sample_images(files, competition, 200, 0)
