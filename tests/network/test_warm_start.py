"""A network starts from the weights of another: what fits is taken, and everything else is named or refused."""

import pytest
import torch

from maskfold.config import ModelConfig
from maskfold.errors import ConfigError
from maskfold.network.model import build_model
from maskfold.network.normalisation import IMAGENET
from maskfold.network.warm_start import start_from

SMALL = {
    "encoder": "tu-mobilenetv3_small_050",
    "encoder_weights": None,
    "encoder_depth": 3,
    "decoder_channels": (16, 8, 8),
}
HEAD = "segmentation_head.0"


def network(classes, seed=0, **model):
    torch.manual_seed(seed)
    return build_model(ModelConfig(**SMALL | model), classes)


@pytest.fixture(scope="module")
def trained():
    return network(2, seed=1)


def start(path, classes, names_there, **model):
    """A new network of these classes, and what it left out of the file."""
    new = network(len(classes), **model)
    return new, start_from(new, path, ModelConfig(**SMALL | model), classes, names_there)


def saved(state, path):
    torch.save(state, path)
    return path


@pytest.mark.parametrize("prefix", ["network.", "model.network.", ""])  # model.pt, lightning's checkpoints, smp
def test_every_weight_of_the_same_network_is_taken_whatever_wrote_the_file(tmp_path, trained, prefix):
    state = {f"{prefix}{name}": value for name, value in trained.network.state_dict().items()}
    path = saved({"state_dict": state, "epoch": 3} if prefix.startswith("model") else state, tmp_path / "w.pt")
    new, left_out = start(path, ("a", "b"), None)
    assert left_out == []
    assert all(
        torch.equal(value, new.network.state_dict()[name]) for name, value in trained.network.state_dict().items()
    )


def test_classes_are_found_by_name_and_new_ones_start_random(tmp_path, trained):
    path = saved(trained.state_dict(), tmp_path / "w.pt")
    new, left_out = start(path, ("b", "new", "a"), ("a", "b"))
    fresh, state, old = network(3).network.state_dict(), new.network.state_dict(), trained.network.state_dict()
    for name in (f"{HEAD}.weight", f"{HEAD}.bias"):
        assert torch.equal(state[name], torch.stack([old[name][1], fresh[name][1], old[name][0]]))
    assert left_out == [f"{HEAD}.weight: random for new", f"{HEAD}.bias: random for new"]
    _, fewer = start(path, ("b",), ("a", "b"))
    assert fewer == [f"{HEAD}.weight: a not used", f"{HEAD}.bias: a not used"]


def test_without_names_a_head_of_another_size_is_left_out(tmp_path, trained):
    new, left_out = start(saved(trained.state_dict(), tmp_path / "w.pt"), ("a", "b", "c"), None)
    assert left_out == [
        f"{HEAD}.weight: (2, 8, 3, 3) instead of (3, 8, 3, 3), starts random",
        f"{HEAD}.bias: (2,) instead of (3,), starts random",
    ]
    fresh, state, old = network(3).network.state_dict(), new.network.state_dict(), trained.network.state_dict()
    assert torch.equal(state[f"{HEAD}.weight"], fresh[f"{HEAD}.weight"])
    assert all(torch.equal(state[name], old[name]) for name in state if not name.startswith("segmentation_head"))


def test_a_classification_head_may_come_or_go(tmp_path, trained):
    _, left_out = start(saved(trained.state_dict(), tmp_path / "w.pt"), ("a", "b"), None, classification_head=True)
    assert left_out and all(line.startswith("classification_head.") for line in left_out)
    with_head = saved(network(2, classification_head=True).state_dict(), tmp_path / "head.pt")
    _, left_out = start(with_head, ("a", "b"), None)
    assert left_out and all("as this network has no such head" in line for line in left_out)


def test_the_normalisation_comes_with_the_weights_and_the_intensity_does_not(tmp_path, trained):
    halves = {"mean": torch.full((3,), 127.5), "std": torch.full((3,), 127.5)}
    deep = {"low": torch.zeros(3), "high": torch.full((3,), 4095.0), "stored": torch.tensor(1)}
    path = saved({**trained.state_dict(), **halves, **deep}, tmp_path / "w.pt")
    new, left_out = start(path, ("a", "b"), None)
    assert torch.equal(new.mean, halves["mean"]) and torch.equal(new.std, halves["std"])
    assert new.intensity is None and [line.partition(":")[0] for line in left_out] == ["low", "high", "stored"]
    plain, _ = start(saved(trained.state_dict(), tmp_path / "p.pt"), ("a", "b"), None)
    assert plain.mean.tolist() == pytest.approx([255 * number for number in IMAGENET.mean])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"encoder": "tu-mobilenetv3_small_075"}, r"of another shape: decoder.*encoder\.model.* instead of"),
        ({"architecture": "FPN", "decoder_channels": None}, r"missing: decoder.*unknown: decoder"),
        ({"in_channels": 1}, r"and 1 channels \(1 of another shape: encoder"),
        ({"decoder_channels": (16, 8, 4)}, "of another shape: decoder"),
    ],
)
def test_another_architecture_is_refused_with_what_differs(tmp_path, trained, model, message):
    with pytest.raises(ConfigError, match=message):
        start(saved(trained.state_dict(), tmp_path / "w.pt"), ("a", "b"), None, **model)


def test_files_that_hold_no_usable_network_are_refused(tmp_path, trained):
    encoder = {name: value for name, value in trained.network.state_dict().items() if name.startswith("encoder")}
    with pytest.raises(ConfigError, match=r"missing: decoder.*use model\.encoder_weights"):
        start(saved(encoder, tmp_path / "encoder.pt"), ("a", "b"), None)
    broken = {**trained.state_dict(), f"network.{HEAD}.bias": torch.tensor([1.0, float("nan")])}
    with pytest.raises(ConfigError, match=r"1 of .* tensors hold NaN"):
        start(saved(broken, tmp_path / "nan.pt"), ("a", "b"), None)
    (tmp_path / "text.pt").write_text("no weights", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model\.init_from: .*text\.pt is not a readable state dict"):
        start(tmp_path / "text.pt", ("a", "b"), None)
