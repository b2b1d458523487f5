"""Where pretrained weights are found."""

import pytest
from huggingface_hub import constants

from maskfold.errors import UsageError
from maskfold.planning.weights_at_hand import weights_at_hand


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No model hub, and no earlier downloads."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "no_cache"))


def touch(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()
    return folder / name


def test_a_folder_near_the_data(tmp_path):
    file = touch(tmp_path / "weights", "mobilenet_v2-imagenet.pth")
    touch(tmp_path / "weights", "notes.txt")
    touch(tmp_path / "weights", "my_network.pth")
    found = weights_at_hand(None, tmp_path / "data" / "salt", tmp_path / "repository", ("resnet34",))
    assert {name: each.value for name, each in found.items()} == {"mobilenet_v2": str(file)}


def test_three_folders_above_is_too_far(tmp_path):
    touch(tmp_path / "weights", "mobilenet_v2-imagenet.pth")
    assert weights_at_hand(None, tmp_path / "a" / "b" / "c", tmp_path / "repository", ("resnet34",)) == {}


def test_the_repository_comes_first(tmp_path):
    own = touch(tmp_path / "repository" / "weights", "resnet34-imagenet.safetensors")
    touch(tmp_path / "weights", "resnet34-imagenet.pth")
    found = weights_at_hand(None, tmp_path / "data", tmp_path / "repository", ())
    assert found["resnet34"].value == str(own)


def test_named_files_and_folders(tmp_path):
    file = touch(tmp_path / "mine", "tu-mobilenetv3_small_100-imagenet.pth")
    for given in (file, tmp_path / "mine"):
        assert list(weights_at_hand(given, tmp_path, tmp_path, ())) == ["tu-mobilenetv3_small_100"]
    with pytest.raises(UsageError, match="is no file that is called <encoder>-imagenet"):
        weights_at_hand(touch(tmp_path, "best.pth"), tmp_path, tmp_path, ())
