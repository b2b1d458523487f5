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
SMALL = 'mount -t tmpfs -o size="$0" none /dev/shm && exec "$@"'


@pytest.mark.parametrize(
    ("size", "code", "said"),
    [("128k", 2, "error: shared memory (/dev/shm) is full: the loader processes"), ("64m", 0, "loaded 1")],
)
def test_a_loader_notices_that_shared_memory_is_full(tmp_path, size, code, said):
    small = ["unshare", "-rm", "sh", "-c", SMALL, size]
    if not shutil.which("unshare") or subprocess.run([*small, "true"], capture_output=True).returncode:
        pytest.skip("unshare -rm is not allowed here, so /dev/shm cannot be made small")
    cv2.imwrite(str(tmp_path / "x.png"), np.zeros((512, 512), np.uint8))
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    command = [*small, sys.executable, "-c", LOAD, str(tmp_path / "x.png")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert result.returncode == code, result.stderr
    assert said in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
