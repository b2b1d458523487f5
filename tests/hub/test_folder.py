"""Shared models as folders: what they hold, that they predict the same bytes, and what is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard

from maskfold.artefacts import paths
from maskfold.artefacts.paths import RunPaths
from maskfold.config import RefitConfig, load_config
from maskfold.errors import StaleError, UsageError
from maskfold.hub.opening import model_config
from maskfold.hub.weights import restore, write_safetensors
from maskfold.rules.rules import ComponentRule
from maskfold.stages.push_model import push_model
from maskfold.stages.run import Run
from support.blends import as_blend
from support.bundled_run import RULES, inputs_of, write_run
from support.random_run import write_rules, write_weights


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A run with random networks, which knows folders of this machine."""
    config = write_run(tmp_path_factory.mktemp("home"))
    RunPaths.of(config).folds_csv.write_text("image_id,fold\na.jpg,0\nb.jpg,1\nc.jpg,1\n")
    return config


@pytest.fixture(scope="module")
def model(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "tiny"
    assert push_model(config, str(folder), licence="mit") == str(folder)
    return folder


@pytest.fixture(autouse=True)
def _own_repository(monkeypatch, tmp_path):
    """Shared models become runs in a folder of the test."""
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)


def predictions(run, config):
    image = sorted(inputs_of(config)[0].iterdir())[0]
    (found,) = run.predict([image])
    return found


def run_of(config):
    """The run that is at home."""
    run = Run.__new__(Run)
    run.config = config
    return run


def test_a_model_predicts_the_same_bytes_as_its_run(config, model):
    ours, theirs = predictions(run_of(config), config), predictions(Run.of_model(str(model)), config)
    assert ours.masks.any() and not ours.masks.all()
    assert np.array_equal(ours.prob, theirs.prob) and np.array_equal(ours.masks, theirs.masks)
    assert np.array_equal(ours.class_prob, theirs.class_prob)


def test_the_folder_holds_weights_rules_manifest_and_card_and_no_folder_of_this_machine(config, model):
    files = ["MANIFEST.json", "README.md", "config.json", "fold0.safetensors", "fold1.safetensors", "postprocess.json"]
    assert sorted(path.name for path in model.iterdir()) == files
    for name in ("README.md", "config.json", "MANIFEST.json"):
        assert config.output_root not in (model / name).read_text(), name
    card = ModelCard.load(model / "README.md")
    assert (card.data.license, card.data.library_name, card.data.pipeline_tag) == (
        "mit",
        "maskfold",
        "image-segmentation",
    )
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value) == ("dice", 0)
    for words in ("3 labelled images", "| folds | 2 folds |", "fold0, fold1", "component p ≥ 0.49, ≥ 9 px", "hflip"):
        assert words in card.text, words
    assert "started from random weights" in card.text and "--model tiny" in card.text


def test_it_becomes_a_run_once_and_again_where_that_was_damaged(model, tmp_path):
    first = model_config(str(model))
    weights = RunPaths.of(load_config(first)).model(0)
    before = weights.stat().st_mtime_ns
    assert model_config(str(model)) == first and weights.stat().st_mtime_ns == before
    weights.write_bytes(b"cut off")
    assert model_config(str(model)) == first
    assert torch.load(weights, weights_only=True).keys()
    assert [path.name for path in first.parent.parent.iterdir() if not path.name.startswith(".")] == [first.parent.name]


@pytest.mark.parametrize("name", ["fold1.safetensors", "postprocess.json", "config.json"])
def test_damaged_and_missing_files_are_named(model, tmp_path, name):
    copy = shutil.copytree(model, tmp_path / "copy")
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(UsageError, match=rf"not as it was shared: {name} is damaged; fetch it again"):
        model_config(str(copy))
    (copy / name).unlink()
    with pytest.raises(UsageError, match=f"{name} is missing"):
        model_config(str(copy))


def test_a_changed_card_is_no_damage_and_a_changed_manifest_is(model, tmp_path):
    copy = shutil.copytree(model, tmp_path / "copy")
    (copy / "README.md").write_text("another text")
    (copy / ".gitattributes").write_text("of the hub")
    model_config(str(copy))
    manifest = json.loads((copy / "MANIFEST.json").read_text())
    manifest["name"] = "other"
    (copy / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="its checksum is another"):
        model_config(str(copy))
    (copy / "MANIFEST.json").write_text('{"format_version": 1, "python": "3.11"}')
    with pytest.raises(UsageError, match="not the manifest of a shared model"):
        model_config(str(copy))
    (copy / "MANIFEST.json").unlink()
    with pytest.raises(UsageError, match=r"holds no MANIFEST.json"):
        model_config(str(copy))
    with pytest.raises(UsageError, match="no such folder; a repository is written hf://user/repo"):
        model_config(str(tmp_path / "nowhere"))


def test_a_run_that_is_not_finished_and_own_code_are_not_shared(config, tmp_path):
    views = config.model_copy(update={"inference": config.inference.model_copy(update={"tta": ("vflip",)})})
    with pytest.raises(StaleError, match="tuned with TTA"):
        push_model(views, str(tmp_path / "shared"))
    more = config.model_copy(update={"folds": config.folds.model_copy(update={"count": 3})})
    with pytest.raises(StaleError, match="not trained yet: fold2"):
        push_model(more, str(tmp_path / "shared"))
    own = config.model_copy(update={"model": config.model.model_copy(update={"architecture": "mine.nets:Net"})})
    with pytest.raises(UsageError, match="own code"):
        push_model(own, str(tmp_path / "shared"))
    with pytest.raises(UsageError, match=r"such as apache-2.0"):
        push_model(config, str(tmp_path / "shared"), licence="My Licence!")
    assert not (tmp_path / "shared").exists()


def test_only_a_shared_model_is_replaced_and_only_when_asked(config, model, tmp_path):
    copy = shutil.copytree(model, tmp_path / "copy")
    with pytest.raises(UsageError, match="--overwrite"):
        push_model(config, str(copy))
    (copy / "old.txt").write_text("old")
    push_model(config, str(copy), overwrite=True)
    assert (
        not (copy / "old.txt").exists()
        and (copy / "MANIFEST.json").read_bytes() == (model / "MANIFEST.json").read_bytes()
    )
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_text("a photo")
    with pytest.raises(UsageError, match="no shared model to replace"):
        push_model(config, str(tmp_path / "photos"), overwrite=True)


def test_a_blend_is_shared_with_all_its_members(config, tmp_path):
    second = config.model_copy(update={"name": "second"})
    shutil.copytree(RunPaths.of(config).run / "fold0", RunPaths.of(second).training(1))
    shutil.copytree(RunPaths.of(config).run / "fold1", RunPaths.of(second).training(0))
    blend = as_blend(config, "both", members=(config, second), combine="geometric")
    write_rules(blend, RULES, ensemble_weights={"tiny": 0.75, "second": 0.25}, combine="geometric")
    push_model(blend, str(tmp_path / "both"))
    assert (tmp_path / "both/second/fold1.safetensors").is_file()
    assert "geometric: tiny 0.75, second 0.25" in (tmp_path / "both/README.md").read_text()
    ours, theirs = (predictions(run, config) for run in (run_of(blend), Run.of_model(str(tmp_path / "both"))))
    assert np.array_equal(ours.prob, theirs.prob) and np.array_equal(ours.masks, theirs.masks)


def test_a_refit_is_shared_with_its_folds_and_predicts(config, tmp_path):
    root = shutil.copytree(config.output_root, tmp_path / "run")
    refit = config.model_copy(update={"output_root": str(root), "refit": RefitConfig(models=1)})
    write_weights(refit)
    write_rules(refit, RULES)
    folder = push_model(refit, str(tmp_path / "model"))
    assert (tmp_path / "model/refit0.safetensors").is_file()
    card = (tmp_path / "model/README.md").read_text()
    assert "| models that predict | refit0 |" in card and "trained on all of these images (`refit`)" in card
    ours, theirs = predictions(run_of(refit), config), predictions(Run.of_model(folder), config)
    assert np.array_equal(ours.prob, theirs.prob) and np.array_equal(ours.masks, theirs.masks)


def test_several_networks_a_fold_come_back_as_they_were(config, tmp_path):
    states = [torch.load(RunPaths.of(config).model(number), weights_only=True) for number in (0, 1)]
    torch.save(states, tmp_path / "model.pt")
    assert write_safetensors(tmp_path / "model.pt", tmp_path / "model.safetensors") == 2
    restore(tmp_path / "model.safetensors", tmp_path / "again.pt", 2)
    again = torch.load(tmp_path / "again.pt", weights_only=True)
    for state, other in zip(states, again, strict=True):
        assert state.keys() == other.keys()
        assert all(torch.equal(state[name], other[name]) and state[name].dtype == other[name].dtype for name in state)


def test_rules_of_other_models_are_refused(config, model, tmp_path):
    """A folder put together from two models, with a manifest that lists its files rightly."""
    from maskfold.artefacts.files import file_hash
    from maskfold.hub.manifest import read_manifest

    copy = shutil.copytree(model, tmp_path / "copy")
    text = (copy / "postprocess.json").read_text()
    old = json.loads(text)["checkpoints"]["fold0"]
    (copy / "postprocess.json").write_text(text.replace(old, "0" * 64))
    manifest = read_manifest(copy)
    files = manifest.files | {"postprocess.json": file_hash(copy / "postprocess.json")}
    (copy / "MANIFEST.json").write_text(manifest.model_copy(update={"files": files}).text())
    with pytest.raises(UsageError, match=r"tuned on other models than those beside it \(fold0\)"):
        model_config(str(copy))
    assert isinstance(RULES[0], ComponentRule)
