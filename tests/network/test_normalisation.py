"""Which mean and deviation a network normalises pixels with, and that a trained one keeps them."""

import pytest
import segmentation_models_pytorch as smp
import timm
import torch

from maskfold.config import ModelConfig
from maskfold.errors import ConfigError, StaleError
from maskfold.export.weights import write_halved
from maskfold.network.model import build_model, load_model
from maskfold.network.normalisation import IMAGENET, Normalisation, normalisation_of

HALF = Normalisation((0.5,) * 3, (0.5,) * 3)
DPN = Normalisation((124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3)
SMALL = {"encoder": "tu-mobilenetv3_small_050", "encoder_weights": None, "decoder_channels": (32, 24, 16, 8, 8)}
GIVEN = {"normalisation": {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}}


@pytest.mark.parametrize(
    ("encoder", "weights", "expected"),
    [
        ("mobilenet_v2", "imagenet", IMAGENET),
        ("resnext101_32x8d", "instagram", IMAGENET),
        ("efficientnet-b3", "imagenet", IMAGENET),
        ("efficientnet-b3", "advprop", HALF),
        ("timm-tf_efficientnet_lite0", "imagenet", HALF),
        ("xception", "imagenet", HALF),
        ("inceptionv4", "imagenet+background", HALF),
        ("dpn92", "imagenet+5k", DPN),
        ("tu-tf_efficientnetv2_s", "imagenet", HALF),
        ("tu-mobilenetv3_small_100", "imagenet", IMAGENET),
        ("tu-vit_base_patch16_224", "imagenet", HALF),
        ("tu-vit_base_patch16_224.dino", "imagenet", IMAGENET),
        ("tu-tf_efficientnetv2_s", None, IMAGENET),
        ("xception", None, IMAGENET),
    ],
)
def test_normalisation_of_named_weights(encoder, weights, expected):
    assert normalisation_of(ModelConfig(encoder=encoder, encoder_weights=weights)) == expected


def test_encoders_of_smp_that_timm_knows_too_agree_with_timm():
    compared = 0
    for size in range(8):
        for weights, tag in (("imagenet", "in1k"), ("advprop", "ap_in1k"), ("noisy-student", "ns_jft_in1k")):
            name = f"tf_efficientnet_b{size}.{tag}"
            if timm.is_model_pretrained(name):
                settings = timm.models.get_pretrained_cfg(name)
                found = normalisation_of(ModelConfig(encoder=f"timm-efficientnet-b{size}", encoder_weights=weights))
                assert found == (settings.mean, settings.std)
                compared += 1
    assert compared > 16
    for size in range(5):
        settings = timm.models.get_pretrained_cfg(f"tf_efficientnet_lite{size}.in1k")
        name = f"timm-tf_efficientnet_lite{size}"
        assert name in smp.encoders.encoders
        assert normalisation_of(ModelConfig(encoder=name)) == (settings.mean, settings.std)


def test_other_numbers_of_channels_take_the_averages():
    found = normalisation_of(ModelConfig(encoder="mobilenet_v2", in_channels=2))
    assert found.mean == pytest.approx(((0.485 + 0.456 + 0.406) / 3,) * 2)
    assert found.std == pytest.approx(((0.229 + 0.224 + 0.225) / 3,) * 2)
    one = {"normalisation": {"mean": (0.3,), "std": (0.2,)}}
    assert normalisation_of(ModelConfig(**one)).mean == pytest.approx((0.3,) * 3)


def test_a_local_file_takes_the_encoders_normalisation_where_it_is_certain(tmp_path):
    path = tmp_path / "weights.pth"
    path.touch()

    def of(encoder, **values):
        return normalisation_of(ModelConfig(encoder=encoder, encoder_weights=str(path), **values))

    assert of("mobilenet_v2") == IMAGENET
    assert of("tu-tf_efficientnetv2_s") == HALF
    assert of("tu-vit_base_patch16_224.augreg_in21k") == HALF
    assert of("tu-vit_base_patch16_224.dino") == IMAGENET
    assert of("efficientnet-b0", **GIVEN) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    with pytest.raises(
        ConfigError, match=r"different normalisations; set model.normalisation.*\n.*imagenet: mean \[0.4"
    ):
        of("efficientnet-b0")
    with pytest.raises(ConfigError, match=r"write the encoder as tu-<model>.<weights>(.|\n)*dino: mean \[0.485"):
        of("tu-vit_base_patch16_224")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"mean": (0.5, 0.5), "std": (0.5, 0.5)}, "in_channels=3, found 2"),
        ({"mean": (0.5,), "std": (0.5, 0.5, 0.5)}, "found 1 and 3"),
        ({"mean": (0.5,), "std": (0.0,)}, "expected numbers above 0"),
    ],
)
def test_impossible_numbers_are_refused(given, problem):
    with pytest.raises(ValueError, match=problem):
        ModelConfig(normalisation=given)


def test_pixels_are_normalised_channel_by_channel():
    model = build_model(ModelConfig(**SMALL, **GIVEN), 1)
    model.network = torch.nn.Identity()
    pixels = torch.tensor([255, 0, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = torch.tensor([(1 - 0.1) / 0.4, (0 - 0.2) / 0.5, (0.2 - 0.3) / 0.6])
    torch.testing.assert_close(model(pixels).mask_logits.flatten(), expected)


def test_a_trained_model_keeps_its_normalisation_whatever_the_config_says(tmp_path):
    pixels = torch.randint(0, 256, (1, 3, 32, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    other = build_model(ModelConfig(**SMALL, **GIVEN), 2).eval()
    usual = build_model(ModelConfig(**SMALL), 2).eval()
    usual.network.load_state_dict(other.network.state_dict())
    assert "mean" not in usual.state_dict(), "checkpoints of ImageNet's normalisation stay as they were"
    for name, model in (("other", other), ("usual", usual)):
        torch.save(model.state_dict(), tmp_path / f"{name}.pt")
        for config in (ModelConfig(**SMALL), ModelConfig(**SMALL, **GIVEN)):
            again = load_model(tmp_path / f"{name}.pt", config, 2).eval()
            assert torch.equal(again(pixels).mask_logits, model(pixels).mask_logits)
    assert not torch.allclose(other(pixels).mask_logits, usual(pixels).mask_logits)
    write_halved(tmp_path / "other.pt", tmp_path / "half.pt")
    assert torch.equal(load_model(tmp_path / "half.pt", ModelConfig(**SMALL), 2).mean, other.mean)
    torch.save([other.state_dict(), other.state_dict()], tmp_path / "both.pt")
    assert torch.equal(load_model(tmp_path / "both.pt", ModelConfig(**SMALL), 2).std, other.std)
    torch.save([other.state_dict(), usual.state_dict()], tmp_path / "mixed.pt")
    with pytest.raises(StaleError, match="its checkpoints have different normalisations"):
        load_model(tmp_path / "mixed.pt", ModelConfig(**SMALL), 2)
