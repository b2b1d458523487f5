"""8-bit ONNX files: what they hold, how far they are from the float file, and when there is none."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import Experiment
from maskfold.errors import UsageError
from maskfold.export import int8, onnx
from maskfold.export.int8 import make_int8, measured_drift
from maskfold.export.onnx import export_onnx
from maskfold.inference.batches import BatchDataset, PixelBatches
from support.random_run import write_weights

runtime = pytest.importorskip("onnxruntime", reason="install requirements-onnx.txt to test the ONNX export")


CONFIG = Experiment.model_validate(
    {
        "name": "tiny",
        "data": {"format": "rle_csv", "root": "x", "class_names": ("a", "b")},
        "model": {
            "encoder": "tu-mobilenetv3_small_050",
            "encoder_weights": None,
            "decoder_channels": (16, 16, 8, 8, 8),
            "classification_head": True,
        },
    }
)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Six photos, the last of another size."""
    folder, rng, rows = tmp_path_factory.mktemp("photos"), np.random.default_rng(0), []
    for number in range(6):
        height, width = (64, 96) if number < 5 else (32, 64)
        path = folder / f"{number}.png"
        photo = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), (0, 0), 3)
        cv2.imwrite(str(path), cv2.normalize(photo, None, 0, 255, cv2.NORM_MINMAX))
        rows.append((str(number), str(path), height, width))
    return pd.DataFrame(rows, columns=["image_id", "path", "height", "width"])


def inputs_of(images, size=None):
    return PixelBatches(BatchDataset(images, CONFIG.model, 2, 32), size)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, images):
    """The same random network as a float file and, through the whole export, as one of 8 bits."""
    folder = tmp_path_factory.mktemp("exported")
    config = CONFIG.model_copy(update={"output_root": str(folder)})
    write_weights(config)

    def keep_the_float_file(file, *more):
        """A second export would take as long as all else together."""
        shutil.copyfile(file, folder / "float.onnx")
        return make_int8(file, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8, "LEAST_DICE", 0.0)  # masks of random networks are noise
        patch.setattr(onnx, "make_int8", keep_the_float_file)
        inputs = inputs_of(images[:3]), inputs_of(images[3:])
        export_onnx(config, folder / "int8.onnx", 0, (64, 96), "uint8", trained=False, int8_inputs=inputs)
    return folder


def test_the_file_has_8_bit_weights_and_about_the_same_output(exported, images):
    assert sorted(path.name for path in exported.glob("*.onnx*")) == ["float.onnx", "int8.onnx"]
    paths = [exported / "float.onnx", exported / "int8.onnx"]
    assert paths[1].stat().st_size < 0.5 * paths[0].stat().st_size
    sessions = [runtime.InferenceSession(path) for path in paths]
    told = [json.loads(session.get_modelmeta().custom_metadata_map["maskfold"]) for session in sessions]
    assert told[0] == told[1] and told[0]["name"] == "tiny"
    assert [session.get_inputs()[0].shape[1] for session in sessions] == [3, 3]
    pixels = cv2.imread(images["path"][5]).transpose(2, 0, 1)[None]
    for name in ("prob", "class_prob"):
        ours, theirs = (session.run([name], {"pixels": pixels})[0] for session in sessions)
        assert ours.shape == theirs.shape and 0 < np.abs(ours - theirs).mean() < 0.05


@pytest.mark.parametrize(
    ("first", "least", "problem"),
    [
        (0, 1.01, r"masks at 0.5 have a Dice of .*; at least 1.01 on average is asked for; nothing was"),
        (5, 0.0, "no training image has the size that the file takes; leave out --fixed-size"),
        (4, 0.0, "no training image is left to measure on"),
    ],
)
def test_the_float_file_stays_where_the_other_cannot_be_trusted(
    exported, images, tmp_path, monkeypatch, first, least, problem
):
    monkeypatch.setattr(int8, "LEAST_DICE", least)
    path = tmp_path / "mine.onnx"
    shutil.copyfile(exported / "float.onnx", path)
    with pytest.raises(UsageError, match=problem):
        inputs = (inputs_of(images[start : start + 1], (64, 96)) for start in (first, first + 1))
        make_int8(path, *inputs, "uint8")
    assert path.read_bytes() == (exported / "float.onnx").read_bytes()


class Fixed:
    """A session that gives one answer."""

    def __init__(self, prob):
        self.prob = prob

    def run(self, names, inputs):
        assert names == ["prob"] and inputs["pixels"].dtype == np.float32
        return [self.prob]


def test_drift_by_hand(images):
    # Two images, one class, 4 px each: 0.5 and more is on.
    one = np.array([[[[0.9, 0.6, 0.2, 0.1]]], [[[0.8, 0.8, 0.8, 0.0]]]], np.float32)
    other = np.array([[[[0.9, 0.4, 0.2, 0.1]]], [[[0.8, 0.8, 0.8, 0.4]]]], np.float32)
    found = measured_drift(Fixed(one), Fixed(other), inputs_of(images[:2], (64, 96)), "float32")
    assert found.images == 2 and found.mean == pytest.approx((0.2 + 0.4) / 8)
    assert found.mean_dice == pytest.approx((2 / 3 + 1) / 2)
    assert (found.least_dice, found.worst) == (pytest.approx(2 / 3), "0")
    assert "at least 0.6667 (0)" in found.in_words()
