"""Trainings that start from a finished run or a file: hashes, folds that must agree, and frozen parts."""

import json

import pytest
import torch
import yaml
from pydantic import ValidationError

from maskfold.artefacts.files import file_hash
from maskfold.artefacts.paths import RunPaths
from maskfold.config import ModelConfig, RleCsvData
from maskfold.errors import ConfigError, StaleError, UsageError
from maskfold.rules.rules import DEFAULT_RULE
from maskfold.stages.make_folds import make_folds
from maskfold.stages.push_model import push_model
from maskfold.stages.train import train_models
from support.random_run import write_rules, write_weights
from support.trainings import config_of


@pytest.fixture
def first(tmp_path, tiny_competition):
    """A finished run of one epoch, and the config file that names it."""
    config = config_of(tmp_path, "first", epochs=1, ema_decay=None)
    make_folds(config, tiny_competition)
    train_models(config, tiny_competition, [0])
    file = tmp_path / "first.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    return config, file


def second(first, model, **train):
    """A run that starts from somewhere, with the folds of the first."""
    config, _ = first
    new = config_of(config.output_root, "second", **{"epochs": 2, "ema_decay": None, **train})
    new = new.model_copy(update={"model": ModelConfig(**new.model.model_dump() | model)})
    folds = RunPaths.of(new).folds_csv
    folds.write_bytes(RunPaths.of(config).folds_csv.read_bytes())
    return new


def weights(config):
    return torch.load(RunPaths.of(config).model(0), weights_only=True)


def test_a_run_starts_from_another_keeps_what_is_frozen_and_records_the_hash(first, tiny_competition, capsys):
    config, file = first
    new = second(first, {"init_from": str(file), "freeze": "encoder_and_decoder"}, learning_rate=1e-2)
    train_models(new, tiny_competition, [0])
    before, after = weights(config), weights(new)
    changed = {name.split(".")[1] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"segmentation_head"}
    record = json.loads(RunPaths.of(new).model(0).with_name("model.pt.made.json").read_text())
    assert record["inputs"]["weights to start from"] == file_hash(RunPaths.of(config).model(0))
    assert "init_from" not in record["settings"]["model"] and record["settings"]["model"]["freeze"]
    printed = capsys.readouterr().out
    assert "fold 0 starts from" in printed and "left out" not in printed and "warning" not in printed
    train_models(new, tiny_competition, [0])
    assert "up to date" in capsys.readouterr().out


def test_a_frozen_encoder_keeps_weights_and_statistics_while_the_decoder_learns(first, tiny_competition, capsys):
    config, _ = first
    new = second(first, {"init_from": str(RunPaths.of(config).model(0)), "freeze": "encoder"}, epochs=1)
    train_models(new, tiny_competition, [0])
    before, after = weights(config), weights(new)
    changed = {name.split(".")[1] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decoder", "segmentation_head"}
    assert "does not say which images it was trained on" in capsys.readouterr().out


def test_weights_that_have_seen_the_validation_images_are_refused(first, tiny_competition):
    _, file = first
    new = second(first, {"init_from": str(file)}, epochs=1)
    table = RunPaths.of(new).folds_csv
    lines = [line.split(",") for line in table.read_text().splitlines()]
    column = lines[0].index("fold")
    for line in lines[1:]:
        line[column] = str(1 - int(line[column]))
    table.write_text("\n".join(",".join(line) for line in lines) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"trained on 6 of the 6 images that fold 0 is validated on .* copy .*first"):
        train_models(new, tiny_competition, [0])
    assert not RunPaths.of(new).model(0).exists()


def test_a_run_with_other_classes_keeps_those_of_the_same_name(first, tiny_competition, capsys):
    config, file = first
    renamed = config.model_copy(update={"data": RleCsvData(root="x", class_names=("dark", "shade"))})
    file.write_text(yaml.safe_dump(renamed.model_dump(mode="json")), encoding="utf-8")
    new = second(first, {"init_from": str(file), "freeze": "encoder"}, epochs=1, learning_rate=1e-9, weight_decay=0.0)
    train_models(new, tiny_competition, [0])
    assert "segmentation_head.0.bias: random for bright; shade not used" in capsys.readouterr().out
    before, after = (each["network.segmentation_head.0.weight"] for each in (weights(config), weights(new)))
    assert torch.allclose(after[1], before[0], atol=1e-5)  # dark is the second class here, and was the first there


def test_a_training_starts_from_a_shared_model(tmp_path, tiny_competition, capsys):
    shared = config_of(tmp_path, "shared", epochs=1, ema_decay=None)
    make_folds(shared, tiny_competition)
    write_weights(shared)
    write_rules(shared, [DEFAULT_RULE] * len(shared.data.class_names))
    folder = tmp_path / "model"
    push_model(shared, str(folder))
    start = {"init_from": str(folder), "freeze": "encoder_and_decoder"}
    new = second((shared, None), start, epochs=1, learning_rate=1e-2)
    train_models(new, tiny_competition, [0])
    before, after = weights(shared), weights(new)
    assert {name.split(".")[1] for name in before if not torch.equal(before[name], after[name])} == {
        "segmentation_head"
    }
    record = json.loads(RunPaths.of(new).model(0).with_name("model.pt.made.json").read_text())
    assert record["inputs"]["weights to start from"] == file_hash(folder / "fold0.safetensors")
    assert "does not say which images it was trained on" in capsys.readouterr().out
    (folder / "fold0.safetensors").write_bytes(b"damaged")
    with pytest.raises(UsageError, match=r"fold0\.safetensors is damaged"):
        train_models(new, tiny_competition, [0])


def test_starts_that_are_not_there_are_refused(first, tiny_competition):
    config, file = first
    with pytest.raises(ConfigError, match=r"model\.init_from: no such file: /nowhere/x\.pt"):
        train_models(second(first, {"init_from": "/nowhere/x.pt"}), tiny_competition, [0])
    RunPaths.of(config).model(0).unlink()
    with pytest.raises(
        StaleError, match=r"model\.init_from starts from it; run `python src/train\.py --config .*first"
    ):
        train_models(second(first, {"init_from": str(file)}), tiny_competition, [0])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"freeze": "encoder", "encoder_weights": None}, "would keep random weights"),
        ({"freeze": "encoder_and_decoder"}, "would keep random weights"),
        ({"init_from": "x.pt", "normalisation": {"mean": [0.5], "std": [0.5]}}, "init_from brings that of its weights"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(model, message):
    with pytest.raises(ValidationError, match=message):
        ModelConfig.model_validate_json(json.dumps(model))
