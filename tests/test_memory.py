"""Peak memory: of this process alone, and forgotten on demand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from maskfold.memory import peak_memory_mb, reset_peak_memory

IN_A_CHILD = (
    "import sys; sys.path.insert(0, 'src'); from maskfold.memory import peak_memory_mb; print(peak_memory_mb())"
)


def test_the_peak_counts_what_was_held_and_is_forgotten_on_demand():
    before = peak_memory_mb()
    held = np.ones(2**28, np.uint8)  # 256 MB
    peak = peak_memory_mb()
    assert peak >= before
    assert peak > 256
    del held
    assert peak_memory_mb() == pytest.approx(peak, abs=1)
    reset_peak_memory()
    if Path("/proc/self/clear_refs").exists():
        assert peak_memory_mb() < peak - 200


def test_a_child_does_not_count_what_its_parent_held():
    held = np.ones(2**28, np.uint8)
    repository = Path(__file__).parents[1]
    child = subprocess.run([sys.executable, "-c", IN_A_CHILD], cwd=repository, capture_output=True, text=True)
    assert float(child.stdout) < held.nbytes / 2**20
