"""The network: shapes, normalisation, local encoder weights, and names with typos."""

import pytest
import torch

from maskfold.config import ConfigError, ModelConfig
from maskfold.models import build_model, load_model
from maskfold.provenance import StaleError, whole_file

SMALL = {"encoder": "tu-mobilenetv3_small_050", "encoder_weights": None, "decoder_channels": (32, 24, 16, 8, 8)}


def test_logits_have_the_input_size_and_one_channel_a_class():
    model = build_model(ModelConfig(**SMALL, classification_head=True), class_count=4).eval()
    outputs = model(torch.zeros(2, 3, 64, 96, dtype=torch.uint8))
    assert outputs.mask_logits.shape == (2, 4, 64, 96)
    assert outputs.class_logits.shape == (2, 4)
    assert (
        build_model(ModelConfig(**SMALL), 4).eval()(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).class_logits is None
    )


def test_pixels_are_normalised_with_the_imagenet_statistics():
    class Identity(torch.nn.Module):
        def forward(self, x):
            return x

    model = build_model(ModelConfig(**SMALL), 1)
    model.network = Identity()
    pixels = torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)
    expected = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    torch.testing.assert_close(model(pixels).mask_logits.flatten(), torch.tensor(expected))


@pytest.mark.parametrize("in_channels", [1, 3])
def test_a_local_state_dict_fills_the_encoder(tmp_path, in_channels):
    source = build_model(ModelConfig(**SMALL), 1)
    path = tmp_path / "encoder.pth"
    torch.save(source.network.encoder.state_dict(), path)
    config = ModelConfig(**{**SMALL, "encoder_weights": str(path)}, in_channels=in_channels)
    model = build_model(config, 2).eval()
    old, new = source.network.encoder.state_dict(), model.network.encoder.state_dict()
    stem = next(iter(old))
    assert all(torch.equal(old[name], new[name]) for name in old if name != stem)
    assert new[stem].shape[1] == in_channels
    assert model(torch.zeros(1, in_channels, 32, 32, dtype=torch.uint8)).mask_logits.shape == (1, 2, 32, 32)


def test_weights_of_another_encoder_name_the_keys(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"conv.weight": torch.zeros(1)}, path)
    with pytest.raises(ConfigError, match=r"does not fit encoder .*unknown \['model.conv.weight'\]"):
        build_model(ModelConfig(**{**SMALL, "encoder_weights": str(path)}), 1)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ConfigError, match="not a readable state dict"):
        build_model(ModelConfig(**{**SMALL, "encoder_weights": str(path)}), 1)
    with pytest.raises(ConfigError, match="no such file"):
        build_model(ModelConfig(**{**SMALL, "encoder_weights": "weights/missing.pth"}), 1)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"architecture": "Unett"}, "unknown 'Unett'; nearest: Unet"),
        ({"encoder": "resnet43"}, "unknown 'resnet43'; nearest: resnet34"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_names(change, answer):
    with pytest.raises(ConfigError, match=answer):
        build_model(ModelConfig(**{**SMALL, **change}), 1)


def test_trained_weights_come_back_and_foreign_ones_are_refused(tmp_path):
    config = ModelConfig(**SMALL)
    model = build_model(config, 2)
    path = tmp_path / "model.pt"
    with whole_file(path) as temporary:
        torch.save(model.state_dict(), temporary)
    again = load_model(path, config, 2)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
    with pytest.raises(StaleError, match="not the weights of this config's network"):
        load_model(path, config, 3)
    with pytest.raises(StaleError, match="no such weights"):
        load_model(tmp_path / "none.pt", config, 2)
