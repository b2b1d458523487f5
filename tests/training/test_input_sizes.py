"""The sizes that a config gives its network are tried before anything is trained."""

import json
import re

import pytest

from maskfold.config import parse_config
from maskfold.errors import ConfigError
from maskfold.network.model import build_model
from maskfold.training.input_sizes import check_network_sizes


def config_of(**changes):
    sections = {
        "name": "sizes",
        "data": {"format": "mask_folders", "root": "nowhere"},
        "model": {
            "encoder": "tu-coatnet_nano_rw_224",
            "encoder_weights": None,
            "decoder_channels": [8, 8, 8, 8, 8],
            "resize": {"size": [224, 224]},
        },
        "inference": {"tta": ["hflip", "rot90"]},
    }
    return parse_config(json.dumps(sections | changes))


@pytest.fixture(scope="module")
def network():
    return build_model(config_of().model, 1)


def test_the_encoders_own_size_fits_and_the_mode_stays(network):
    check_network_sizes(network, config_of(), [(224, 224)])
    assert network.training


@pytest.mark.parametrize(
    ("crops", "inference", "answers"),
    [
        ([(224, 224), (128, 128)], {}, [r"train.crop_size: tu-coatnet_nano_rw_224 does not work at 128x128 px"]),
        ([(224, 224)], {"tta": ["scale1.5"]}, ["inference.tta: .* at 320x320 px"]),
        ([(224, 224)], {"tile_size": [192, 224]}, ["inference.tile_size: .* at 192x224 px"]),
        ([(96, 96)], {"pad_multiple": 128}, ["train.crop_size: .* at 96x96 px", "inference.pad_multiple: .* 256x256"]),
    ],
)
def test_every_other_size_is_refused_with_its_key(network, crops, inference, answers):
    with pytest.raises(ConfigError) as error:
        check_network_sizes(network, config_of(inference=inference), crops)
    lines = str(error.value).splitlines()
    assert len(lines) == len(answers)
    for line, answer in zip(lines, answers, strict=True):
        assert re.search(answer, line), line
