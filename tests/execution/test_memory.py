"""Peak memory: of this process alone, and forgotten on demand."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# In children: what the test process itself holds, and whether it gives freed memory back, depends on the tests before.
PREAMBLE = "import sys; sys.path.insert(0, 'src'); from maskfold.execution.memory import *; "
HOLD_AND_FORGET = (
    "before = peak_memory_mb(); held = bytearray(2**28); peak = peak_memory_mb(); del held; "
    "after = peak_memory_mb(); reset_peak_memory(); print(before, peak, after, peak_memory_mb())"
)


def printed(script):
    """The numbers a fresh Python prints."""
    repository = Path(__file__).parents[2]
    # Under the allocator settings of setup_venv.sh freed memory stays with the process, so there is nothing to forget.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    child = subprocess.run(
        [sys.executable, "-c", PREAMBLE + script], cwd=repository, env=plain, capture_output=True, text=True, check=True
    )
    return [float(word) for word in child.stdout.split()]


def test_the_peak_counts_what_was_held_and_is_forgotten_on_demand():
    before, peak, after, forgotten = printed(HOLD_AND_FORGET)
    assert peak == pytest.approx(before + 256, abs=8)
    assert after == pytest.approx(peak, abs=1)
    if Path("/proc/self/clear_refs").exists():
        assert forgotten == pytest.approx(before, abs=8)


def test_a_child_does_not_count_what_its_parent_held():
    held = np.ones(2**28, np.uint8)
    [peak] = printed("print(peak_memory_mb())")
    assert peak < held.nbytes / 2**20
