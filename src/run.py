"""Run all stages of an experiment, from data to submission and report. Starting it again skips what is fresh.

Each stage is the script of its name, in a process of its own. With --minutes, the stages run in one process by the
clock, as src/run_plan.py does it, with the options of that script.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from maskfold.command_line import run_stage, stage_parser
from maskfold.commands import SCRIPTS, STAGES
from maskfold.config import REPOSITORY, load_config
from maskfold.config.places import config_file, run_config
from maskfold.execution.processes import ALLOCATOR
from maskfold.execution.signals import Stopped
from maskfold.tracking.checks import check_trackers

EXAMPLES = """\
  python src/run.py                                                  the demo
  python src/run.py configs/severstal.yaml --set data.root=/data/severstal
  python src/run.py severstal                                        the same by its name
  python src/run.py --data /data/salt --minutes 60                   plan the config, and be done in an hour"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Run all stages of an experiment, from data to submission and report.", EXAMPLES)
    parser.add_argument("run", nargs="?", metavar="CONFIG", help="a config file, or NAME of configs/NAME.yaml")
    return parser.parse_args()


def main() -> None:
    """Run the stages, each with the options that were given."""
    if any(word.partition("=")[0] == "--minutes" for word in sys.argv[1:]):
        os.execve(sys.executable, [sys.executable, str(SCRIPTS / "run_plan.py"), *sys.argv[1:]], ALLOCATOR | os.environ)
    args = parse_args()
    overrides = [override for group in args.overrides for override in group]
    path = config_file(args.config) if args.run is None else named_config(args.run)
    check_trackers(load_config(path, overrides).track)  # a mistake shall not wait for the first stage
    arguments = ["--config", str(path.resolve()), "--on-bad-image", args.on_bad_image]
    arguments += ["--set", *overrides] if overrides else []
    arguments += [
        f"--{name.replace('_', '-')}" for name in ("accept_code_changes", "no_wait", "verify") if vars(args)[name]
    ]
    for number, stage in enumerate(STAGES, start=1):
        print(f"\n[{number}/{len(STAGES)}] {stage}", flush=True)
        code = run_to_the_end([sys.executable, str(SCRIPTS / f"{stage}.py"), *arguments])
        if code:
            sys.exit(code)


def named_config(name: str) -> Path:
    """The file of a config that was given by its name or its path."""
    is_name = Path(name).suffix not in (".yaml", ".yml") and Path(name).name == name
    return run_config(name) if is_name else config_file(Path(name))


def run_to_the_end(command: list[str]) -> int:
    """Run a process; its exit code. Ctrl-C and a hang-up reach it without us, other signals are passed on."""
    process = subprocess.Popen(command, cwd=REPOSITORY, env=ALLOCATOR | os.environ)
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt as error:
            if isinstance(error, Stopped) and error.number == signal.SIGTERM:
                process.terminate()


if __name__ == "__main__":
    run_stage(main)
