"""Loader processes where /dev/shm is too small, as in many containers: one sentence, and no endless wait."""

import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

LOAD = """\
import sys
import pandas as pd, torch
from maskfold.command_line import run_stage
from maskfold.config import InferenceConfig, ModelConfig
from maskfold.inference.batches import batch_loader

def load():
    images = pd.DataFrame([("x", sys.argv[1], 512, 512)], columns=["image_id", "path", "height", "width"])
    batches = batch_loader(images, ModelConfig(), InferenceConfig(), 1, torch.device("cpu"))
    print("loaded", len(list(batches)))

run_stage(load)
"""
TRAIN = """\
import torch
from torch.utils.data import DataLoader
from maskfold.command_line import run_stage
from maskfold.training.datamodule import _batch
from maskfold.training.samples.dataset import Sample

SAMPLES = [Sample(torch.zeros(64, 64, 3, dtype=torch.uint8), torch.zeros(64, 64, 1, dtype=torch.uint8), 7)] * 8

def load():
    batches = DataLoader(SAMPLES, batch_size=4, num_workers=1, prefetch_factor=4, collate_fn=_batch)
    print("loaded", [batch.image.tolist() for batch in batches])

run_stage(load)
"""
SMALL = 'mount -t tmpfs -o size="$0" none /dev/shm && exec "$@"'

FULL = "error: shared memory (/dev/shm) is full: the loader processes"


@pytest.mark.parametrize(
    ("size", "code", "said"),
    [("16k", 2, FULL), ("128k", 2, FULL), ("64m", 0, "loaded 1")],  # no room for the loader's locks, for a batch
)
def test_a_loader_notices_that_shared_memory_is_full(tmp_path, size, code, said):
    cv2.imwrite(str(tmp_path / "x.png"), np.zeros((512, 512), np.uint8))
    result = with_small_memory(size, LOAD, str(tmp_path / "x.png"))
    assert result.returncode == code, result.stderr
    assert said in result.stdout + result.stderr


@pytest.mark.parametrize(("size", "code"), [("104k", 2), ("108k", 2), ("1m", 0)])  # 108k: for all but the images' rows
def test_no_part_of_a_training_batch_is_lost_where_shared_memory_is_full(size, code):
    result = with_small_memory(size, TRAIN)
    assert result.returncode == code, result.stderr
    assert (FULL if code else "loaded [[7, 7, 7, 7], [7, 7, 7, 7]]") in result.stdout + result.stderr


def with_small_memory(size, script, *arguments):
    """What a script said and how it ended; neither it nor a finaliser after its last sentence may show a traceback."""
    small = ["unshare", "-rm", "sh", "-c", SMALL, size]
    if not shutil.which("unshare") or subprocess.run([*small, "true"], capture_output=True).returncode:
        pytest.skip("unshare -rm is not allowed here, so /dev/shm cannot be made small")
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    command = [*small, sys.executable, "-c", script, *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in result.stderr, result.stderr
    return result
