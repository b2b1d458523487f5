"""Stage by stage: seconds and peak memory of a whole run, and of a second one that finds everything fresh.

Runs each stage as a user does, in a process of its own, into a temporary folder. Prints a table and one line of JSON a
claim; exits 1 when a claim does not hold.

    python benchmarks/demo_stages.py
    python benchmarks/demo_stages.py --config configs/magnetic_tile.yaml --set data.root=/data/tiles
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from claims import claim

REPOSITORY = Path(__file__).resolve().parents[1]
SECOND_RUN_SECONDS = 20.0
DEMO_MINUTES = 7.0
PEAK_GIB = 4.0


class Cost(NamedTuple):
    """What one stage took: wall-clock seconds, and the largest memory of any of its processes in MiB."""

    seconds: float
    peak_mib: float


def stages() -> list[str]:
    """The stages in order, as run_all.sh lists them."""
    match = re.search(r"^stages=\((.*)\)$", (REPOSITORY / "run_all.sh").read_text(), re.MULTILINE)
    assert match is not None, "run_all.sh has no line stages=(…)"
    return match.group(1).split()


def run_stage(stage: str, arguments: list[str]) -> Cost:
    """Run one stage to its end. Raises RuntimeError with its output when it fails."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, f"src/{stage}.py", *arguments], cwd=REPOSITORY, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            log.seek(0)
            raise RuntimeError(f"{stage} failed:\n{log.read()}")
    return Cost(time.monotonic() - started, usage.ru_maxrss / 1024)


def main() -> int:
    """Run everything twice and print the table and the claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/demo.yaml")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        overrides = [f"output_root={folder}", *args.set]
        if args.config == "configs/demo.yaml":
            overrides.append(f"data.root={folder}/data")
        arguments = ["--config", args.config, "--set", *overrides]
        first = {stage: run_stage(stage, arguments) for stage in stages()}
        second = {stage: run_stage(stage, arguments) for stage in stages()}
    print(f"{'stage':<18}{'seconds':>10}{'peak MiB':>10}{'again, s':>10}")
    for stage, cost in first.items():
        print(f"{stage:<18}{cost.seconds:>10.1f}{cost.peak_mib:>10.0f}{second[stage].seconds:>10.1f}")
    total, again = (sum(cost.seconds for cost in costs.values()) for costs in (first, second))
    print(f"{'all':<18}{total:>10.1f}{'':>10}{again:>10.1f}\n")
    peak = max(cost.peak_mib for cost in first.values()) / 1024
    holds = [
        claim("a second run, seconds", again, SECOND_RUN_SECONDS, again <= SECOND_RUN_SECONDS),
        claim("peak memory of any stage, GiB", peak, PEAK_GIB, peak <= PEAK_GIB),
    ]
    if args.config == "configs/demo.yaml":
        holds.append(claim("the demo after set-up, minutes", total / 60, DEMO_MINUTES, total / 60 <= DEMO_MINUTES))
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
