"""Losses, transforms and networks of the user's own: used, hashed, and refused when they cannot work."""

import importlib
import json
import sys

import pytest
import torch
from pydantic import ValidationError

from maskfold.artefacts.own_code import own_code, source_hash
from maskfold.artefacts.paths import RunPaths
from maskfold.config import LossConfig, ModelConfig, TrainPhase
from maskfold.errors import ConfigError, StaleError, UsageError
from maskfold.export.bundle import write_bundle
from maskfold.network.model import Outputs, build_model
from maskfold.network.trained import inference_settings
from maskfold.stages.make_folds import make_folds
from maskfold.stages.train import train_models, training_provenance
from maskfold.training.checks import check_training
from maskfold.training.losses.combined import SegmentationLoss
from support.trainings import config_of

SOURCE = """
import albumentations as A
import segmentation_models_pytorch as smp
import torch

def squares(logits, truth, labelled):
    wrong = (logits.sigmoid() - truth) ** 2
    return wrong.mean((0, 2, 3)) if labelled is None else (wrong * labelled).sum((0, 2, 3)) / labelled.sum((0, 2, 3))

class Sum:
    def __call__(self, logits, truth, labelled):
        return logits.sigmoid().sum()

def whole_map(logits, truth, labelled):
    return (logits - truth) ** 2

def not_a_number(logits, truth, labelled):
    return logits.mean() / truth.sum() * truth.sum()

def no_gradient(logits, truth, labelled):
    return (logits.detach() * truth).mean()

def two_arguments(logits, truth):
    return logits.mean()

NUMBER = 3

class Darker(A.ImageOnlyTransform):
    def __init__(self, amount=10, p=0.5):
        super().__init__(p=p)
        self.amount = amount

    def apply(self, img, **params):
        return img // self.amount

class Cropping(A.DualTransform):
    def apply(self, img, **params):
        return img[:-1]

    def apply_to_mask(self, mask, **params):
        return mask[:-1]

class Small(smp.Unet):
    def __init__(self, encoder_name, encoder_depth=5, encoder_weights=None, in_channels=3, classes=1, aux_params=None):
        super().__init__(
            encoder_name, encoder_depth, encoder_weights, decoder_channels=(8,) * encoder_depth,
            in_channels=in_channels, classes=classes,
        )

class OneClass(Small):
    def __init__(self, encoder_name, encoder_depth=5, encoder_weights=None, in_channels=3, classes=1):
        super().__init__(encoder_name, encoder_depth, encoder_weights, in_channels, 1)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A package `ownfield` with a module `parts`; returns its file."""
    folder = tmp_path / "code" / "ownfield"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("", encoding="utf-8")
    (folder / "parts.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder.parent))
    importlib.invalidate_caches()
    yield folder / "parts.py"
    source_hash.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "ownfield"]:
        del sys.modules[name]


def loss_of(name, **terms):
    return LossConfig(**{"bce": 0.0, "dice": 0.0, "custom": f"ownfield.parts:{name}", **terms})


def test_an_own_loss_is_weighted_as_the_others_are(own):
    logits, truth = torch.zeros(1, 2, 1, 4), torch.zeros(1, 2, 1, 4)
    truth[0, 0, 0, :2] = 1
    truth[0, 1] = 0.5  # squares: 0.25 for class 0, 0 for class 1
    assert SegmentationLoss(loss_of("squares"))(Outputs(logits, None), truth).item() == pytest.approx(0.125)
    weighted = loss_of("squares", custom_weight=2.0, class_weights=(3.0, 1.0))
    assert SegmentationLoss(weighted)(Outputs(logits, None), truth).item() == pytest.approx(2 * 0.75 * 0.25)
    ignored = torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]])
    truth[0, 1] = 1  # both classes are 0.25 at the labelled pixels
    assert SegmentationLoss(loss_of("squares"))(Outputs(logits, None), truth, ignored).item() == pytest.approx(0.25)
    assert SegmentationLoss(loss_of("Sum"))(Outputs(logits, None), truth).item() == pytest.approx(8 * 0.5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whole_map", r"gives \(2, 2, 32, 32\), expected a tensor of shape \(\) or \(2,\)"),
        ("not_a_number", "gives nan or a gradient that is not finite on a batch without any mask"),
        ("no_gradient", r"fails on a batch without any mask: RuntimeError: .* does not require grad"),
        ("two_arguments", r"fails on a batch .*: TypeError: two_arguments\(\) takes 2 positional arguments but 3"),
        ("missing", r"train\.loss\.custom: ownfield\.parts:missing cannot be imported \(AttributeError"),
        ("NUMBER", "is int, expected a function or a class"),
    ],
)
def test_losses_that_cannot_work_are_refused_before_training(own, tmp_path, tiny_competition, name, message):
    with pytest.raises(ConfigError, match=message):
        check_training(config_of(tmp_path, loss=loss_of(name)), tiny_competition, None)


def test_own_code_trains_is_hashed_and_a_changed_line_makes_it_stale(own, tmp_path, tiny_competition, capsys):
    augmentation = ({"OneOf": {"transforms": [{"ownfield.parts:Darker": {"amount": 2}}]}},)
    config = config_of(tmp_path, epochs=2, loss=loss_of("squares"), augmentation=augmentation)
    config = config.model_copy(update={"model": ModelConfig(**config.model.model_dump() | OWN_NETWORK)})
    make_folds(config, tiny_competition)
    train_models(config, tiny_competition, [0])
    record = json.loads(RunPaths.of(config).model(0).with_name("model.pt.made.json").read_text())
    names = {f"code of ownfield.parts:{name}" for name in ("squares", "Darker", "Small")}
    assert names <= record["inputs"].keys()
    capsys.readouterr()
    train_models(config, tiny_competition, [0])
    assert "up to date" in capsys.readouterr().out
    before, predicting = training_provenance(config, tiny_competition, 0).inputs, inference_settings(config)
    own.write_text(SOURCE + "\n# changed\n", encoding="utf-8")
    source_hash.cache_clear()
    after = training_provenance(config, tiny_competition, 0).inputs
    assert {label for label in before if before[label] != after[label]} == names
    assert inference_settings(config) != predicting


OWN_NETWORK = {"architecture": "ownfield.parts:Small", "decoder_channels": None}


def test_a_bundle_takes_the_sources_of_an_own_network_along(own, tmp_path, monkeypatch):
    config = config_of(tmp_path).model_copy(update={"model": ModelConfig(**OWN_NETWORK)})
    with pytest.raises(
        UsageError, match=r"model\.architecture: ownfield\.parts:Small lies in .*copy the package there"
    ):
        write_bundle(tmp_path / "refused", config, False, "auto")
    monkeypatch.setattr("maskfold.export.bundle.REPOSITORY", own.parents[1])
    with pytest.raises(StaleError):  # the weights come next, and there are none
        write_bundle(tmp_path / "part", config, False, "auto")
    assert (tmp_path / "part" / "ownfield" / "parts.py").read_text(encoding="utf-8") == SOURCE


def test_keys_of_all_own_code_are_known(own, tmp_path):
    phase = TrainPhase(epochs=1, loss=loss_of("Sum"), augmentation=({"ownfield.parts:Darker": {}},))
    config = config_of(tmp_path, loss=loss_of("squares"), then=(phase,))
    assert own_code(config) == {
        "ownfield.parts:squares": "train.loss.custom",
        "ownfield.parts:Sum": "train.then[0].loss.custom",
        "ownfield.parts:Darker": "train.then[0].augmentation",
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Cropping", "ownfield.parts:Cropping|changes the size of a sample"),
        ("squares", "is no transform; expected a class derived from albumentations"),
        ("nothing", "cannot be imported"),
    ],
)
def test_transforms_that_cannot_work_are_refused(own, tmp_path, tiny_competition, name, message):
    config = config_of(tmp_path, augmentation=({f"ownfield.parts:{name}": {}},))
    with pytest.raises(ConfigError, match=message):
        check_training(config, tiny_competition, None)


def test_networks_that_cannot_work_are_refused(own):
    small = {"encoder": "tu-mobilenetv3_small_050", "encoder_weights": None, "encoder_depth": 3}
    assert build_model(ModelConfig(architecture="ownfield.parts:Small", **small), 2)
    with pytest.raises(ConfigError, match=r"gives masks of shape \(1, 1, 128, 160\), not \(1, 2, 128, 160\)"):
        build_model(ModelConfig(architecture="ownfield.parts:OneClass", **small), 2)
    with pytest.raises(ConfigError, match="is no network of smp"):
        build_model(ModelConfig(architecture="ownfield.parts:squares", **small), 2)


def test_names_of_another_form_and_no_loss_at_all_are_refused():
    with pytest.raises(ValidationError, match="custom"):
        LossConfig(custom="no colon")
    with pytest.raises(ValidationError, match="every mask loss has weight 0"):
        LossConfig(bce=0.0, dice=0.0)
