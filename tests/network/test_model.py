"""The network: shapes, normalisation, local encoder weights, and names with typos."""

from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from segmentation_models_pytorch.encoders._utils import patch_first_conv

from maskfold.artefacts.files import whole_file
from maskfold.config import ModelConfig
from maskfold.errors import ConfigError, StaleError
from maskfold.network.decoders import HypercolumnHead
from maskfold.network.model import build_model, load_model

SMALL = {"encoder": "tu-mobilenetv3_small_050", "encoder_weights": None, "decoder_channels": (32, 24, 16, 8, 8)}

ARCHITECTURES = {
    name: ModelConfig(**{**SMALL, "decoder_channels": None}, architecture=name)
    for name in ("Linknet", "FPN", "PSPNet", "DeepLabV3", "DeepLabV3Plus", "PAN", "UPerNet", "Segformer")
}
ARCHITECTURES |= {name: ModelConfig(**SMALL, architecture=name) for name in ("Unet", "UnetPlusPlus", "MAnet")}
ARCHITECTURES["DPT"] = ModelConfig(
    architecture="DPT", encoder="tu-vit_tiny_patch16_224", encoder_weights=None, encoder_depth=4
)

PATCH_14 = {"architecture": "DPT", "decoder_channels": None, "encoder": "tu-eva02_tiny_patch14_224"}

MOBILENET_FILE = Path(__file__).parents[3] / "shared" / "weights" / "mobilenet_v2-imagenet.pth"


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
    with pytest.raises(ConfigError, match=r"does not fit encoder .*unknown \['conv.weight'\]"):
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
        ({"encoder": "tu-mobilnetv3_small_050"}, "nearest: tu-mobilenetv3_small_050"),
        ({"encoder": "convnext_atto"}, "nearest: tu-convnext_atto"),
        ({"encoder": "resnet34", "encoder_weights": "imagnet"}, "'imagnet' is neither a file nor a name .* imagenet"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_names(change, answer):
    with pytest.raises(ConfigError, match=answer):
        build_model(ModelConfig(**{**SMALL, **change}), 1)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_architecture_trains_and_answers_at_the_size_it_is_asked(name):
    config = ARCHITECTURES[name].model_copy(update={"classification_head": True})
    model = build_model(config, class_count=2)
    size = (128, 160) if name == "PAN" else (64, 96)
    pixels = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    outputs = model(pixels)
    (outputs.mask_logits.mean() + outputs.class_logits.mean()).backward()
    learning = {key.split(".")[1] for key, value in model.named_parameters() if value.grad is not None}
    assert learning == {"encoder", "decoder", "segmentation_head", "classification_head"}
    with torch.no_grad():
        outputs = model.eval()(pixels)
    assert outputs.mask_logits.shape == (2, 2, *size)
    assert outputs.class_logits.shape == (2, 2)


def test_all_of_smps_architectures_are_tried_above():
    assert {name.lower() for name in ARCHITECTURES} == set(smp.MODEL_ARCHITECTURES_MAPPING)


@pytest.mark.parametrize(
    ("name", "depth"),
    [*((name, 3) for name in sorted(ARCHITECTURES.keys() - {"PAN", "DPT"})), ("Unet", 4), ("FPN", 4), ("PSPNet", 4)],
)
def test_shallower_encoders_keep_the_size(name, depth):
    channels = ARCHITECTURES[name].decoder_channels
    update = {"encoder_depth": depth, "decoder_channels": channels and channels[:depth]}
    model = build_model(ARCHITECTURES[name].model_copy(update=update), 1).eval()
    assert model(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).mask_logits.shape == (1, 1, 64, 96)


def test_pan_says_that_an_image_is_too_small_for_it():
    model = build_model(ARCHITECTURES["PAN"], 1)
    with pytest.raises(ConfigError, match="PAN needs sides of at least 128 px; found 64x96"):
        model(torch.zeros(2, 3, 64, 96, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"architecture": "FPN"}, "decoder_channels: FPN does not take it; these do: Unet, UnetPlusPlus, MAnet"),
        ({"architecture": "PAN"}, r"PAN takes one number, each at least 1; found \[32, 24, 16, 8, 8\]"),
        ({"encoder_depth": 4}, r"Unet takes one number a depth level \(4\)"),
        ({"attention": "scse"}, "scse needs decoder_channels of at least 16"),
        ({"attention": "scse", "architecture": "MAnet"}, "MAnet does not take it; these do: Unet, UnetPlusPlus"),
        ({"architecture": "DPT", "decoder_channels": None}, "encoder_depth: DPT takes 3 or 4, found 5"),
        (
            {"architecture": "DPT", "decoder_channels": None, "encoder_depth": 4, "encoder": "resnet18"},
            "resnet18 with encoder_depth=4 does not work in DPT: Only Timm encoders",
        ),
        ({"encoder": "tu-vit_tiny_patch16_224"}, "does not work in Unet: Unsupported model downsampling pattern"),
        ({"architecture": "UnetPlusPlus", "encoder": "mit_b0"}, "mit_b0 with .* does not work in UnetPlusPlus"),
        (
            {"encoder": "tu-maxvit_nano_rw_256"},
            r"an image of 128x160 px fails: .* must be divisible by window .*model.resize: \{size: \[256, 256\]\}",
        ),
        (
            {**PATCH_14, "encoder_depth": 4},
            r"128x160 px fails: .* its own size, 224x224 px as a multiple of 32, fails too: .* patches of 16 px",
        ),
        (
            {**PATCH_14, "encoder_depth": 3, "resize": {"size": (224, 224)}},
            r"an image of 224x224 px fails: .*this is its own size, rounded up .*: choose another encoder",
        ),
        (
            {"architecture": "Segformer", "decoder_channels": None, "separable_decoder": True},
            "separable_decoder: the decoder of Segformer has no plain 3x3 convolution",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(change, answer):
    with pytest.raises(ConfigError, match=answer):
        build_model(ModelConfig(**{**SMALL, **change}), 1)


def test_an_architecture_with_one_width_takes_one_number():
    config = ARCHITECTURES["PAN"].model_copy(update={"decoder_channels": (24,)})
    assert build_model(config, 1).network.segmentation_head[0].in_channels == 24


def test_encoders_of_a_fixed_size_take_any_size_where_timm_can_build_them_so():
    config = ModelConfig(**{**SMALL, "encoder": "tu-swin_tiny_patch4_window7_224"})
    model = build_model(config, 1).eval()
    assert model(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).mask_logits.shape == (1, 1, 64, 96)


def test_building_a_network_draws_the_same_weights_again_and_leaves_it_in_training():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        model = build_model(ModelConfig(**SMALL), 1)
        assert model.training and model.network.encoder.training
        states.append([*model.state_dict().values(), torch.rand(1)])
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))


def test_scse_sits_in_every_decoder_block():
    config = ModelConfig(**{**SMALL, "decoder_channels": (32, 32, 16, 16, 16)}, attention="scse")
    model = build_model(config, 1).eval()
    assert sum(isinstance(module, smp.base.modules.SCSEModule) for module in model.modules()) == 10
    assert model(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).mask_logits.shape == (1, 1, 64, 96)


def test_hypercolumns_show_every_stage_to_the_head():
    model = build_model(ModelConfig(**SMALL, hypercolumns=True), 2)
    assert model.network.segmentation_head.conv.weight.shape == (2, 32 + 24 + 16 + 8 + 8, 3, 3)
    outputs = model(torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8))
    assert outputs.mask_logits.shape == (2, 2, 64, 96)
    outputs.mask_logits.square().sum().backward()
    shares = model.network.segmentation_head.conv.weight.grad.split((32, 24, 16, 8, 8), dim=1)
    assert all(share.abs().sum() > 0 for share in shares)
    assert all(block.conv1[0].weight.grad.abs().sum() > 0 for block in model.network.decoder.blocks)


@pytest.mark.parametrize("class_count", [1, 3])
def test_the_hypercolumn_head_equals_a_convolution_over_the_concatenated_stages(class_count):
    torch.manual_seed(0)
    head = HypercolumnHead((40, 12, 6), class_count)
    stages = [torch.randn(2, channels, 4 * 2**i, 6 * 2**i) for i, channels in enumerate((40, 12, 6))]
    upsampled = [torch.nn.functional.interpolate(stage, (16, 24), mode="bilinear") for stage in stages]
    torch.testing.assert_close(head(stages), head.conv(torch.cat(upsampled, dim=1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["Unet", "FPN", "MAnet"])
def test_a_separable_decoder_is_light_and_leaves_the_encoder_alone(name):
    plain = build_model(ARCHITECTURES[name], 1).eval()
    light = build_model(ARCHITECTURES[name].model_copy(update={"separable_decoder": True}), 1).eval()
    count = {
        key: sum(value.numel() for value in model.network.decoder.parameters())
        for key, model in (("plain", plain), ("light", light))
    }
    assert count["light"] < 0.6 * count["plain"]
    assert plain.network.encoder.state_dict().keys() == light.network.encoder.state_dict().keys()
    assert light(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).mask_logits.shape == (1, 1, 64, 96)


def test_a_separable_convolution_has_the_sum_of_two_parameter_counts():
    model = build_model(ModelConfig(**SMALL, separable_decoder=True), 1)
    depthwise, pointwise = model.network.decoder.blocks[4].conv2[0]  # 8 -> 8 channels, 3x3
    assert (depthwise.weight.numel(), pointwise.weight.numel()) == (8 * 9, 8 * 8)
    assert depthwise.padding == (1, 1)


@pytest.mark.parametrize("in_channels", [1, 2, 4, 6])
def test_a_local_stem_is_adapted_as_smp_adapts_one_it_downloads(tmp_path, in_channels):
    source = smp.encoders.get_encoder("mobilenet_v2")
    path = tmp_path / "encoder.pth"
    torch.save(source.state_dict(), path)
    config = ModelConfig(encoder="mobilenet_v2", encoder_weights=str(path), in_channels=in_channels)
    encoder = build_model(config, 1).network.encoder
    patch_first_conv(source, in_channels, pretrained=True)
    torch.testing.assert_close(encoder.features[0][0].weight, source.features[0][0].weight)


@pytest.mark.parametrize(
    ("wrapping", "depth"),
    [("plain", 3), ("plain", 5), ("state_dict", 5), ("encoder.", 5), ("module.network.encoder.", 3), ("model.", 5)],
)
def test_a_whole_classifier_in_any_wrapping_fills_the_encoder(tmp_path, wrapping, depth):
    classifier = timm.create_model("mobilenetv3_small_050")
    state = classifier.state_dict()
    path = tmp_path / "weights.pth"
    if wrapping.endswith("."):
        state = {**{wrapping + key: value for key, value in state.items()}, "decoder.conv.weight": torch.zeros(1)}
    torch.save({"state_dict": state, "epoch": 3} if wrapping == "state_dict" else state, path)
    config = ModelConfig(**{**SMALL, "encoder_weights": str(path), "decoder_channels": None}, encoder_depth=depth)
    loaded = build_model(config, 1).network.encoder.state_dict()
    assert all(torch.equal(value, classifier.state_dict()[key.removeprefix("model.")]) for key, value in loaded.items())


def test_a_deeper_network_of_the_same_family_does_not_pass_for_a_shallow_one(tmp_path):
    path = tmp_path / "resnet34.pth"
    torch.save(smp.encoders.get_encoder("resnet34").state_dict(), path)
    with pytest.raises(ConfigError, match=r"missing \[\] … \(0\), unknown \['layer1.2.bn1.bias'"):
        build_model(ModelConfig(encoder="resnet18", encoder_weights=str(path)), 1)
    torch.save({**smp.encoders.get_encoder("resnet18").state_dict(), "conv1.weight": torch.zeros(8, 3, 7, 7)}, path)
    with pytest.raises(ConfigError, match=r"size mismatch for conv1.weight.* … \(1\)"):
        build_model(ModelConfig(encoder="resnet18", encoder_weights=str(path)), 1)


@pytest.mark.skipif(not MOBILENET_FILE.is_file(), reason=f"needs the file {MOBILENET_FILE.name}")
def test_downloaded_imagenet_weights_load_from_a_file():
    config = ModelConfig(encoder="mobilenet_v2", encoder_weights=str(MOBILENET_FILE), in_channels=1)
    stem = build_model(config, 1).network.encoder.features[0][0].weight
    file = torch.load(MOBILENET_FILE, weights_only=True)["features.0.0.weight"]
    torch.testing.assert_close(stem, file.sum(dim=1, keepdim=True), rtol=0, atol=0)


@pytest.mark.parametrize(
    "change",
    [{"hypercolumns": True}, {"separable_decoder": True}, {"in_channels": 4}, {"classification_head": True}],
    ids=lambda change: next(iter(change)),
)
def test_every_kind_of_network_comes_back_from_its_checkpoint(tmp_path, change):
    config = ModelConfig(**SMALL, **change)
    model = build_model(config, 2).eval()
    path = tmp_path / "model.pt"
    torch.save(model.state_dict(), path)
    again = load_model(path, config, 2).eval()
    pixels = torch.randint(0, 256, (1, config.in_channels, 32, 64), dtype=torch.uint8)
    torch.testing.assert_close(model(pixels).mask_logits, again(pixels).mask_logits, rtol=0, atol=0)


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


@pytest.mark.parametrize("stored", [[], {}, [1], torch.zeros(3), {"a": 1}], ids=str)
def test_a_checkpoint_that_holds_something_else_is_refused(tmp_path, stored):
    torch.save(stored, tmp_path / "model.pt")
    with pytest.raises(StaleError, match=r"not the weights of this config's network \(.*\w.*\)"):
        load_model(tmp_path / "model.pt", ModelConfig(**SMALL), 2)


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04"], ids=str)
def test_a_checkpoint_that_torch_cannot_read_is_refused(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(StaleError, match=r"not the weights of this config's network \(.*\w.*\)"):
        load_model(tmp_path / "model.pt", ModelConfig(**SMALL), 2)
