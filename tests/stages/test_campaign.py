"""A short campaign of damage, kills, signals, doubles and odd inputs; benchmarks/damage.py makes the long one."""

import subprocess
import sys

from maskfold.config import REPOSITORY

COUNTS = {"flips": 3, "cuts": 2, "exchanges": 1, "kills": 2, "signals": 2, "pairs": 1, "odd": 60}


def test_no_harm_ends_in_a_traceback_or_in_other_bytes():
    counts = [word for name, count in COUNTS.items() for word in (f"--{name}", str(count))]
    command = [sys.executable, "benchmarks/run.py", "damage", *counts, "--seed", "1", "--no-environments"]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"of {sum(COUNTS.values())} trials" in result.stdout
    assert "7 of 7 claims hold" in result.stdout
