"""The speed table: statistics, turns, drift and names by hand, and a whole measurement of a tiny network."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from maskfold.config import Experiment
from maskfold.errors import StaleError, UsageError
from maskfold.inference.batches import ImageBatch
from maskfold.network.model import load_model
from maskfold.rules.rules import ComponentRule
from maskfold.speed.agreement import drift
from maskfold.speed.availability import choose_backends, choose_devices, why_missing
from maskfold.speed.backends import BACKENDS, BY_NAME
from maskfold.speed.measuring import SpeedRequest
from maskfold.speed.network import Subject, random_subject, trained_subject
from maskfold.speed.process import BackendError, WorkerProcess
from maskfold.speed.rounds import Plan, latency, measure
from maskfold.speed.table import COLUMNS, speed_markdown
from maskfold.speed.test_images import shown_images
from maskfold.stages.benchmark_inference import measure_speed

ENCODER = "tu-mobilenetv3_small_050"


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """A small network with random weights."""
    return random_subject(("Unet", ENCODER), 2, tmp_path_factory.mktemp("random"))


def request(*names, **changes):
    settings = {"devices": ("cpu",), "size": (40, 64), "batch": 2, "images": 3, "threads": 1, "plan": Plan(2, 0.05)}
    return SpeedRequest(backends=choose_backends(names), **settings | changes)


def test_latency_by_hand():
    found = latency([10.0, 20.0, 30.0], batch=4)
    assert found == {
        "mean_ms": 20.0,
        "std_ms": 10.0,
        "p95_ms": pytest.approx(29.0),
        "images_per_s": 200.0,
        "passes": 3,
    }
    assert latency([5.0], batch=1)["std_ms"] == 0


def test_passes_fill_the_time_and_leave_compiling_out():
    plan = Plan(rounds=10, seconds=5)
    assert plan.calls([9000.0, 50.0, 50.0]) == 10  # 0.5 s a round, 50 ms a pass
    assert plan.calls([2000.0, 2000.0]) == 1
    assert plan.calls([1e-3, 1e-3]) == 500


def test_every_second_round_goes_backwards_and_a_failure_stops_nobody_else():
    turns = []

    def timer(name):
        def run(calls):
            turns.append(name)
            if name == "b" and turns.count("b") == 2:
                raise BackendError("out of memory")
            return [1.0] * calls

        return run

    times, failed = measure({name: timer(name) for name in "abc"}, {"a": 1, "b": 2, "c": 3}, rounds=3)
    assert turns == list("abccbaac")
    assert {name: len(each) for name, each in times.items()} == {"a": 3, "c": 9}
    assert failed == {"b": "out of memory"}


def test_drift_by_hand():
    reference = np.zeros((2, 1, 32, 32), dtype=np.float32)
    reference[0, 0, :4, :4] = 0.9
    answer = reference.copy()
    answer[0, 0, :4, :2] = 0.25  # 8 of 16 px are lost
    answer[:, 0, 30] = 1.0  # below the image, in the padding
    batch = ImageBatch(["a", "b"], torch.zeros(2, 3, 32, 32), [(20, 30)] * 2, [(20, 30)] * 2)
    found = drift([reference], [answer], batch, [ComponentRule(threshold=128, min_area_px=0)])
    assert found.dice == pytest.approx(2 * 8 / 24)  # of the first image; both leave the second empty
    assert found.max_dp == 1.0
    strict = drift([reference], [answer], batch, [ComponentRule(threshold=128, min_area_px=9)])
    assert strict.dice == 0  # what is left is too small for the tuned rule
    same = drift([reference], [reference], batch, [ComponentRule(threshold=128, min_area_px=0)])
    assert (same.dice, same.max_dp) == (1.0, 0.0)
    assert drift([reference], [answer], batch, None).dice is None
    blank = [np.zeros_like(reference)]
    assert drift(blank, blank, batch, [ComponentRule(threshold=128, min_area_px=0)]).dice is None


def test_backends_by_name():
    assert choose_backends([]) == BACKENDS
    assert [each.name for each in choose_backends(["openvino", "torch", "torch"])] == ["openvino", "torch"]
    with pytest.raises(UsageError, match=r"unknown 'onnx-runtime'; did you mean onnxruntime\?\n.*tensorrt"):
        choose_backends(["onnx-runtime", "tensort"])


def test_what_is_not_here_says_why(monkeypatch):
    assert why_missing(BY_NAME["torch"], "cpu") is None
    assert why_missing(BY_NAME["torch-tf32"], "cpu") == "TF32 is a format of NVIDIA GPUs"
    assert why_missing(BY_NAME["tensorrt"], "cpu") == "TensorRT needs an NVIDIA GPU"
    assert why_missing(BY_NAME["openvino"], "gpu") == "OpenVINO does not run on NVIDIA GPUs"
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "C++ compiler" in why_missing(BY_NAME["torch-compile"], "cpu")
    monkeypatch.setattr("maskfold.speed.availability.find_spec", lambda name: None)
    assert why_missing(BY_NAME["openvino"], "cpu").endswith("pip install -r requirements-speed.txt")
    assert why_missing(BY_NAME["onnxruntime"], "cpu").endswith("pip install -r requirements-onnx.txt")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_devices("auto") == ("cpu",)
    with pytest.raises(UsageError, match="no NVIDIA GPU"):
        choose_devices("gpu")


def test_impossible_requests_are_answered_together():
    with pytest.raises(UsageError, match=r"--batch: expected 1 or more, found 0\n--size: .* found -3\n--seconds"):
        request("torch", batch=0, size=(64, -3), plan=Plan(1, 0))


def test_a_run_without_weights_says_what_to_run(tmp_path):
    data = {"format": "rle_csv", "root": str(tmp_path), "class_names": ("a",)}
    config = Experiment.model_validate(
        {"name": "mine", "output_root": str(tmp_path), "data": data, "folds": {"count": 3}}
    )
    with pytest.raises(StaleError, match=r"train\.py --config configs/mine\.yaml.*--random-weights Unet resnet34"):
        trained_subject(config, 2)
    with pytest.raises(UsageError, match="the folds 0 to 2, found 3"):
        trained_subject(config, 3)


def test_random_weights_keep_the_scale_of_trained_ones(subject):
    model = load_model(subject.weights, subject.config.model, 2).eval()
    pixels = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        spread = float(model(pixels).mask_logits.std())
    assert 0.01 < spread < 10
    assert not subject.trained


def test_full_batches_hold_every_image(subject):
    shown = shown_images(subject, (40, 60), count=3)
    assert shown.size == (64, 64)
    assert not shown.real
    pixels = shown.batch.pixels.numpy()
    first, second = shown.batches(2)
    assert np.array_equal(np.concatenate([first, second]), pixels[[0, 1, 2, 0]])
    assert [len(each) for each in shown.batches(1)] == [1, 1, 1]


def test_data_that_is_not_there_is_replaced_by_noise(subject, capsys):
    trained = Subject(subject.config, subject.fold, trained=True)
    shown = shown_images(trained, None, count=2)
    assert shown.size == (256, 256)
    assert not shown.real
    assert "noise instead" in capsys.readouterr().out


def test_a_whole_measurement(subject, tmp_path, capsys):
    pytest.importorskip("onnxscript", reason="install requirements-onnx.txt to measure onnxruntime")
    out = tmp_path / "speed"
    table = measure_speed(subject, request("torch", "onnxruntime", "tensorrt"), out).set_index(["backend", "batch"])
    assert sorted(path.name for path in out.iterdir()) == ["speed.csv", "speed.md", "speed.png"]
    assert table["note"].tolist() == [""] * 4 + ["not here: TensorRT needs an NVIDIA GPU"]
    torch_1, torch_2 = table.loc[("torch", 1)], table.loc[("torch", 2)]
    onnx = table.loc[("onnxruntime", 1)]
    assert torch_1["max_dp"] == 0  # the very same computation, in another process
    assert 0 < onnx["max_dp"] < 1e-4
    assert torch_1["size_mb"] == pytest.approx(subject.weights.stat().st_size / 2**20)
    assert 0 < onnx["memory_mb"] < torch_1["memory_mb"]  # its process has not even imported torch
    for row in (torch_1, torch_2, onnx):
        assert row["passes"] >= 2
        assert 0 < row["mean_ms"] < 1000 * row["ready_s"]
    assert torch_2["images_per_s"] == pytest.approx(2000 / torch_2["mean_ms"])
    written = pd.read_csv(out / "speed.csv", keep_default_na=False)
    assert tuple(written.columns) == COLUMNS
    assert written["height"].unique().tolist() == [64]
    assert written["batch"].tolist() == ["1", "2", "1", "2", ""]
    output = capsys.readouterr().out
    assert "40x64 px is padded to 64x64" in output
    assert "tensorrt on the cpu: not here" in output


def test_openvino_answers_as_torch(subject, tmp_path):
    pytest.importorskip("openvino", reason="install requirements-speed.txt to measure OpenVINO")
    table = measure_speed(subject, request("openvino", batch=1), tmp_path / "speed")
    assert (table["note"] == "").all()
    assert 0 < table["max_dp"].max() < 1e-4


def test_a_backend_that_dies_or_fails_is_one_line(subject, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with WorkerProcess(BY_NAME["onnxruntime"], "cpu", 1, tmp_path / "worker") as worker:
        model = subject.config.model.model_dump(mode="json")
        with pytest.raises(BackendError) as failed:
            worker.load(model, 2, subject.weights, broken)
        assert "\n" not in str(failed.value)
        worker.process.kill()
        with pytest.raises(BackendError, match="its process ended with code -9"):
            worker.memory()


def test_the_markdown_names_what_has_no_figures():
    row = dict.fromkeys(COLUMNS) | {"device": "cpu", "backend": "openvino", "note": "not here: no such | package"}
    lines = speed_markdown(pd.DataFrame([row]), "title").splitlines()
    assert lines[0] == "title"
    assert lines[4].startswith("| cpu | openvino |  | not here |")
    assert lines[-1] == "- openvino on the cpu: not here: no such | package"


def test_workers_import_only_what_they_measure():
    source = Path(sys.modules["maskfold.speed"].__file__).parent
    for name in ("worker.py", "onnx_engines.py", "backends.py"):
        top = [line for line in (source / name).read_text().splitlines() if line.startswith(("import", "from"))]
        assert not [line for line in top if "torch" in line or "onnxruntime" in line or "openvino" in line]
