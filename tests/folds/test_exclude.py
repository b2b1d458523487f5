"""data.exclude: images that are never trained on, and what depends on the list."""

from __future__ import annotations

import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment
from maskfold.data.problems import reading_of
from maskfold.errors import DataError
from maskfold.folds.table import read_folds, unknown_images
from maskfold.folds.visibility import excluded_ids, ids_hash, scored_competition, scored_images, seen_by
from maskfold.stages.make_folds import make_folds
from maskfold.stages.train import training_provenance


def config_of(root, names=None, exclude_from="training"):
    """Three folds; names: the images of the list that data.exclude names."""
    data = {"format": "rle_csv", "root": "x", "class_names": ("bright", "dark"), "exclude_from": exclude_from}
    if names is not None:
        (root / "wrong.csv").write_text("\n".join(["reason,image_id", *(f"blob,{name}" for name in names)]) + "\n")
        data["exclude"] = str(root / "wrong.csv")
    return Experiment.model_validate({"name": "x", "output_root": str(root), "data": data, "folds": {"count": 3}})


@pytest.fixture
def folds(tmp_path, tiny_competition):
    config = config_of(tmp_path)
    make_folds(config, tiny_competition)
    return read_folds(config, tiny_competition)


def of_fold(folds, fold):
    return folds["image_id"][folds["fold"] == fold].tolist()


def test_excluded_images_keep_fold_and_scores_but_are_never_trained_on(tmp_path, tiny_competition, folds):
    wrong = [*of_fold(folds, 0)[:2], of_fold(folds, 1)[0]]
    config = config_of(tmp_path, [*wrong, wrong[0]])  # one row an image, or several
    assert excluded_ids(config, tiny_competition) == frozenset(wrong)
    assert read_folds(config, tiny_competition).equals(folds)
    assert scored_competition(config, tiny_competition) is tiny_competition
    for fold, left_out in enumerate([wrong[2:], wrong[:2], wrong]):
        seen = seen_by(config, tiny_competition, folds, fold)
        marks = seen.folds.set_index("image_id")["fold"]
        assert sorted(marks.index[marks == fold]) == sorted(of_fold(folds, fold))
        assert set(marks.index[marks == -1]) == set(folds["image_id"]) - set(of_fold(folds, fold)) - set(left_out)
        assert seen.left_out == tuple(sorted(left_out))
        assert seen.competition.train["image_id"].tolist() == seen.folds["image_id"].tolist()
        assert seen.competition.train.columns.tolist() == tiny_competition.train.columns.tolist()
        assert seen.competition.train.index.tolist() == list(range(12 - len(left_out)))  # rows are found by number


def test_everything_takes_them_out_of_scores_and_validation_too(tmp_path, tiny_competition, folds):
    wrong = of_fold(folds, 0)[:2]
    config = config_of(tmp_path, wrong, "everything")
    scored = scored_images(config, tiny_competition, folds)
    assert set(scored["image_id"]) == set(folds["image_id"]) - set(wrong)
    train = scored_competition(config, tiny_competition).train
    assert train["image_id"].tolist() == scored["image_id"].tolist()
    assert train.columns.tolist() == tiny_competition.train.columns.tolist()
    assert train.index.tolist() == list(range(10))  # rows are found by number
    seen = seen_by(config, tiny_competition, folds, 0)
    assert set(seen.folds["image_id"]) == set(folds["image_id"]) - set(wrong)


def test_only_models_whose_training_images_change_are_trained_again(tmp_path, tiny_competition, folds):
    def provenance(config, fold):
        left_out = seen_by(config, tiny_competition, folds, fold).left_out
        return training_provenance(config, tiny_competition, fold, left_out)

    plain = [provenance(config_of(tmp_path), fold) for fold in range(3)]
    one = config_of(tmp_path, of_fold(folds, 0)[:1])
    assert [provenance(one, fold) == plain[fold] for fold in range(3)] == [True, False, False]
    before = provenance(one, 1)
    two = config_of(tmp_path, of_fold(folds, 0)[:2])  # the same file, longer
    assert provenance(two, 1).inputs["excluded images"] == ids_hash(of_fold(folds, 0)[1::-1])
    assert before.inputs["excluded images"] == ids_hash(of_fold(folds, 0)[:1])
    record = RunPaths.of(one).model(1)
    record.parent.mkdir(parents=True)
    record.touch()
    plain[1].write(record)
    assert provenance(two, 1).staleness(record) == ["excluded images changed"]


def test_unknown_images_are_named_with_their_row_and_the_nearest_one(tmp_path, tiny_competition):
    config = config_of(tmp_path, ["train3.png", "trian4.png", "train5"])
    with pytest.raises(DataError) as error:
        make_folds(config, tiny_competition)
    assert "wrong.csv, row 3: image trian4.png is not a training image; the nearest is 'train4.png'" in str(error.value)
    assert "wrong.csv, row 4: image train5 is not a training image; there is 'train5.png'" in str(error.value)
    (tmp_path / "wrong.csv").write_text("id\n")
    with pytest.raises(DataError, match="expected image_id"):
        excluded_ids(config, tiny_competition)


def test_a_list_that_leaves_nothing_is_refused(tmp_path, tiny_competition, folds):
    rest = of_fold(folds, 1) + of_fold(folds, 2)
    with pytest.raises(DataError, match="leaves model 0 no image to train on"):
        seen_by(config_of(tmp_path, rest), tiny_competition, folds, 0)
    with pytest.raises(DataError, match="leaves model 0 no image to score it on"):
        seen_by(config_of(tmp_path, of_fold(folds, 0), "everything"), tiny_competition, folds, 0)


def test_the_list_is_no_part_of_how_labels_are_read(tmp_path):
    assert reading_of(config_of(tmp_path, ["a"], "everything").data) == reading_of(config_of(tmp_path).data)


def test_only_twenty_unknown_images_get_a_hint(tiny_competition):
    known = tiny_competition.train["image_id"]
    for name, hint in (("TRAIN3.png", "; there is 'train3.png'"), ("train3x.png", "; the nearest is 'train3.png'")):
        lines = unknown_images(pd.Series([name] * 22, index=range(2, 24)), known, "x.csv")
        assert lines == [f"x.csv, row {row}: image {name} is not a training image{hint}" for row in range(2, 22)] + [
            f"x.csv, row {row}: image {name} is not a training image" for row in (22, 23)
        ]
