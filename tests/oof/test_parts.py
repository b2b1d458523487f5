"""The parts of an OOF: which images and models each has, and what makes it stale."""

from __future__ import annotations

import pytest

from maskfold.artefacts.files import file_hash
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment
from maskfold.errors import DataError
from maskfold.folds.table import read_folds
from maskfold.folds.visibility import ids_hash
from maskfold.oof.parts import oof_parts
from maskfold.oof.with_truth import check_complete, largest_map_px
from maskfold.stages.make_folds import make_folds


def config_of(root, folds, **data):
    names = {"format": "rle_csv", "root": "unused", "class_names": ("bright", "dark")}
    return Experiment.model_validate({"name": "tiny", "output_root": str(root), "data": names | data, "folds": folds})


def write_models(config):
    for model in range(config.folds.models):
        path = RunPaths.of(config).model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"weights {model}")


def hash_of(config, model):
    return file_hash(RunPaths.of(config).model(model))


def test_a_part_is_made_from_its_fold_and_the_models_that_have_not_seen_it(tmp_path, tiny_competition):
    config = config_of(tmp_path, {"count": 3})
    make_folds(config, tiny_competition)
    write_models(config)
    folds = read_folds(config, tiny_competition)
    for number, part in enumerate(oof_parts(config, tiny_competition)):
        assert part.part == number
        assert part.images["image_id"].tolist() == folds["image_id"][folds["fold"] == number].tolist()
        assert part.images["models"].tolist() == [(number,)] * 4
        assert part.checkpoints == {f"fold{number}": hash_of(config, number)}
        assert part.made_from.inputs["model"] == hash_of(config, number)
        assert "excluded images" not in part.made_from.inputs


def test_a_part_of_repeats_is_made_from_every_model_that_predicts_it(tmp_path, tiny_competition):
    config = config_of(tmp_path, {"count": 2, "repeats": 2})
    make_folds(config, tiny_competition)
    write_models(config)
    folds = read_folds(config, tiny_competition).set_index("image_id")
    for part in oof_parts(config, tiny_competition):
        expected = [(part.part, 2 + folds["repeat1"][name]) for name in part.images["image_id"]]
        assert part.images["models"].tolist() == expected
        used = sorted({model for models in expected for model in models})
        assert part.checkpoints == {f"fold{model}": hash_of(config, model) for model in used}
        models = {key: value for key, value in part.made_from.inputs.items() if key.startswith("model ")}
        assert models == {f"model fold{model}": hash_of(config, model) for model in used}


def test_only_the_part_of_an_excluded_image_depends_on_it(tmp_path, tiny_competition):
    plain = config_of(tmp_path, {"count": 3})
    make_folds(plain, tiny_competition)
    write_models(plain)
    folds = read_folds(plain, tiny_competition)
    out = folds["image_id"][folds["fold"] == 1].tolist()[1:3]
    (tmp_path / "out.csv").write_text("image_id\n" + "\n".join(out) + "\n")
    everywhere, training = (
        config_of(tmp_path, {"count": 3}, exclude=str(tmp_path / "out.csv"), exclude_from=where)
        for where in ("everything", "training")
    )
    parts = oof_parts(everywhere, tiny_competition)
    assert [part.made_from.inputs.get("excluded images") for part in parts] == [None, ids_hash(out), None]
    assert [len(part.images) for part in parts] == [4, 2, 4]
    assert not set(out) & set(parts[1].images["image_id"])
    parts = oof_parts(training, tiny_competition)
    assert [part.made_from.inputs.get("excluded images") for part in parts] == [None] * 3
    assert [len(part.images) for part in parts] == [4, 4, 4]


def test_every_training_image_is_in_one_part(tiny_competition):
    names = tiny_competition.train["image_id"].tolist()
    check_complete({0: names[:5], 1: names[5:]}, tiny_competition)
    with pytest.raises(DataError) as error:
        check_complete({0: [*names[:5], "stranger"], 1: names[4:-1]}, tiny_competition)
    assert error.value.problems == [
        f"image {names[4]} is in the OOF of fold 0 and of fold 1",
        "image stranger in the OOF of fold 0 is not a training image that is scored",
        f"training image {names[-1]} is in no fold's OOF",
    ]


def test_the_largest_map_is_that_of_the_largest_product(tiny_competition):
    assert largest_map_px(tiny_competition) == 50 * 90  # 64 x 64 are 4096, and 40 x 64 are 2560
