"""Where a network runs: the device and the precision that the config asks for."""

from __future__ import annotations

import pytest
import torch

from maskfold.config import Experiment
from maskfold.inference import runtime
from maskfold.inference.runtime import Runtime, out_of_memory


def config_of(**train):
    data = {"format": "rle_csv", "root": "x", "class_names": ("a",)}
    return Experiment.model_validate({"name": "x", "data": data, "train": train})


@pytest.mark.parametrize(
    ("precision", "fast", "bf16"),
    [
        ("32", True, False),
        ("32", False, False),
        ("bf16", False, True),
        ("bf16", True, True),
        ("auto", True, True),
        ("auto", False, False),
    ],
)
def test_bf16_is_on_where_it_is_asked_for_or_fast(monkeypatch, precision, fast, bf16):
    monkeypatch.setattr(runtime, "fast_bf16", lambda device: fast)
    found = Runtime.of(config_of(accelerator="cpu", precision=precision))
    assert found == Runtime(torch.device("cpu"), bf16)


@pytest.mark.parametrize(
    ("precision", "bf16", "fp16", "found"),
    [
        ("auto", False, True, (False, True)),  # T4, V100
        ("auto", True, True, (True, False)),
        ("auto", False, False, (False, False)),
        ("32", False, True, (False, False)),
        ("fp16", True, False, (False, True)),
    ],
)
def test_fp16_where_a_gpu_lacks_bf16(monkeypatch, precision, bf16, fp16, found):
    monkeypatch.setattr(runtime, "fast_bf16", lambda device: bf16)
    monkeypatch.setattr(runtime, "fast_fp16", lambda device: fp16)
    chosen = Runtime.of(config_of(accelerator="cpu", precision=precision))
    assert (chosen.bf16, chosen.fp16) == found
    with chosen.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == {(True, False): torch.bfloat16, (False, True): torch.float16}.get(found, torch.float32)


@pytest.mark.parametrize(
    ("accelerator", "there", "device"),
    [("cpu", True, "cpu"), ("gpu", False, "cuda"), ("auto", True, "cuda"), ("auto", False, "cpu")],
)
def test_the_gpu_is_taken_where_it_is_asked_for_or_there(monkeypatch, accelerator, there, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert Runtime.of(config_of(accelerator=accelerator, precision="32")).device.type == device


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("CUDA error: out of memory", True),
        ("CUDNN_STATUS_ALLOC_FAILED", True),
        ("CUBLAS_STATUS_ALLOC_FAILED", True),
        ("CUDA error: device-side assert triggered", False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_errors(text, short):
    assert out_of_memory(RuntimeError(text)) is short
    assert out_of_memory(torch.OutOfMemoryError(text))
