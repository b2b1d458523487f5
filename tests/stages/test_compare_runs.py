"""Runs side by side: their figures by hand, blanks with the command, and scores only of the weights that are there."""

from __future__ import annotations

import hashlib
import shutil

import pandas as pd
import pytest
import yaml

from maskfold.artefacts.paths import RunPaths
from maskfold.config import load_config
from maskfold.errors import ConfigError, UsageError
from maskfold.network.model import build_model
from maskfold.rules.rules import DEFAULT_RULE
from maskfold.rules.tuned import RuleScores
from maskfold.stages.compare_runs import compare_runs
from support.random_run import write_rules, write_weights

MODEL = {"encoder": "tu-mobilenetv3_small_050", "encoder_weights": None, "decoder_channels": [16, 16, 8, 8, 8]}


@pytest.fixture(autouse=True)
def configs(tmp_path, monkeypatch):
    """A repository of two configs, light and heavy, and their blend; nothing is trained."""
    folder = tmp_path / "configs"
    folder.mkdir()
    monkeypatch.setattr("maskfold.config.places.REPOSITORY", tmp_path)
    monkeypatch.setattr("maskfold.config.places.SHIPPED_CONFIGS", tmp_path / "none")
    data = {"format": "rle_csv", "root": str(tmp_path / "steel"), "class_names": ["a"]}
    shared = {"output_root": str(tmp_path), "data": data, "folds": {"count": 2}, "model": MODEL}
    heavy = {**MODEL, "decoder_channels": [64, 64, 64, 32, 32]}
    for name, more in (
        ("light", {}),
        ("heavy", {"model": heavy}),
        ("both", {"blend": {"members": ["light.yaml", "heavy.yaml"]}}),
    ):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, **shared, **more}))
    return folder


def config_of(configs, name):
    return load_config(configs / f"{name}.yaml")


def train(config, seed=0):
    """Random weights and a history of two epochs of half a minute each."""
    write_weights(config, seed)
    paths = RunPaths.of(config)
    for fold in range(2):
        history = {"epoch": [0, 1], "train_loss": [2.0, 1.0], "valid_loss": [1.0, 0.25 + fold], "learning_rate": 1.0}
        more = {"valid_metric": [0.5, 0.75], "seconds": 30.0, "peak_memory_mb": 100.0, "dice_a": 0.5}
        pd.DataFrame(history | more).to_csv(paths.history_csv(fold), index=False)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tune(config, honest):
    scores = RuleScores(all_empty=0.25, default=0.5, tuned=0.875, honest=honest)
    write_rules(config, [DEFAULT_RULE], scores=scores, tta=(), ensemble_weights={})


def time_passes(config, torch_ms, onnx_ms):
    paths = RunPaths.of(config)
    paths.speed.mkdir(parents=True, exist_ok=True)
    about = {"fold": 0, "weights": digest(paths.model(0))[:12], "height": 64, "width": 96, "device": "cpu", "note": ""}
    rows = [
        {"backend": "torch", "batch": 1, "mean_ms": torch_ms},
        {"backend": "torch", "batch": 8, "mean_ms": 1.0},
        {"backend": "onnxruntime", "batch": 1, "mean_ms": onnx_ms},
        {"backend": "openvino", "note": "not here: not installed"},
    ]
    pd.DataFrame([about | row for row in rows]).to_csv(paths.speed / "speed.csv", index=False)


def test_figures_of_runs_and_their_blend(configs, tmp_path, capsys):
    for name, honest, times in (("light", 0.75, (20.0, 8.0)), ("heavy", 0.8, (50.0, 60.0))):
        config = config_of(configs, name)
        train(config)
        tune(config, honest)
        time_passes(config, *times)
    table = compare_runs(["light", "heavy", "both"], [], tmp_path / "out").set_index("run")
    assert table.index.tolist() == ["heavy", "light", "both"]  # the best honest score first, blanks last
    light, heavy, both = (table.loc[name] for name in ("light", "heavy", "both"))
    network = build_model(config_of(configs, "light").model, 1)
    assert light["parameters_m"] == sum(each.numel() for each in network.parameters()) / 1e6
    assert (light["folds"], light["epochs"], light["validation_loss"], light["training_min"]) == ("2/2", 2, 0.75, 2)
    assert (light["default"], light["tuned"], light["honest"]) == (0.5, 0.875, 0.75)
    assert (light["torch_ms"], light["fastest_ms"], light["fastest"]) == (20, 8, "onnxruntime")
    assert (heavy["torch_ms"], heavy["fastest_ms"], heavy["fastest"]) == (50, 50, "torch")
    assert (both["torch_ms"], both["fastest_ms"], both["fastest"]) == (70, 68, "onnxruntime")
    for figure in ("parameters_m", "size_mb", "training_min"):
        assert both[figure] == pytest.approx(light[figure] + heavy[figure])
    assert heavy["parameters_m"] > light["parameters_m"]
    output = capsys.readouterr().out
    assert "both: not tuned: python src/predict_oof.py --config" in output
    assert "light: " not in output
    written = (tmp_path / "out" / "runs.md").read_text().splitlines()
    assert written[3].startswith("| steel | light | Unet | tu-mobilenetv3_small_050 | dice |")
    assert pd.read_csv(tmp_path / "out" / "runs.csv")["run"].tolist() == ["heavy", "light", "both"]


def test_blanks_come_with_the_command(configs, tmp_path, capsys):
    light = config_of(configs, "light")
    table = compare_runs(["light"], [], tmp_path / "out")
    assert table.loc[0, "folds"] == "0/2"
    assert table.loc[0, ["honest", "epochs", "torch_ms", "size_mb"]].isna().all()
    assert "python src/train.py --config configs/light.yaml" in capsys.readouterr().out
    train(light)
    compare_runs(["light"], [], tmp_path / "out")
    output = capsys.readouterr().out
    assert "light: not tuned: python src/predict_oof.py --config" in output
    assert "light: speed not measured: python src/benchmark_inference.py --config configs/light.yaml" in output


def test_figures_of_other_weights_are_left_out(configs, tmp_path, capsys):
    light = config_of(configs, "light")
    train(light)
    tune(light, 0.75)
    time_passes(light, 20.0, 8.0)
    train(light, seed=5)
    table = compare_runs(["light"], [], tmp_path / "out")
    assert table.loc[0, ["honest", "torch_ms"]].isna().all()
    output = capsys.readouterr().out
    assert "tuned on other weights than these" in output
    assert "speed measured with other weights than these" in output


def test_without_names_what_is_trained_is_shown(configs, tmp_path, capsys):
    with pytest.raises(UsageError, match=r"no run has a trained fold yet; run `bash run_all\.sh`"):
        compare_runs([], [], tmp_path / "out")
    train(config_of(configs, "heavy"))
    (configs / "odd.yaml").write_text("name: odd\ntrian: {}\n")
    assert compare_runs([], [], tmp_path / "out")["run"].tolist() == ["both", "heavy"]
    assert "odd.yaml is left out" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "runs")
    with pytest.raises(ConfigError, match=r"did you mean .*heavy\.yaml"):
        compare_runs(["heavi"], [], tmp_path / "out")
