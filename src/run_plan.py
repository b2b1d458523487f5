"""From a folder of data and a number of minutes to a submission and a report.

Plans the run as src/plan.py does (configs/<name>.yaml, and configs/<name>_first.yaml of a short run for an early
submission), then runs all stages of both in one process, by the clock: training takes what prediction, tuning and the
report leave of the time. With --config an existing plan is run again; what is up to date is skipped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from maskfold.artefacts.paths import display
from maskfold.command_line import command_parser, run_stage
from maskfold.config import load_experiment
from maskfold.errors import UsageError
from maskfold.stages.plan import add_plan_arguments, first_run_of, make_plan, request_of
from maskfold.stages.run_plan import Deadline, run_plan

_STARTED = time.monotonic()

EXAMPLES = """\
  python src/run_plan.py --data /data/salt --minutes 60 --metric tgs_precision
  python src/run_plan.py --data /data/tiles --minutes 5 --name quick          a rough first result
  python src/run_plan.py --data /data/tiles --minutes 600 --set folds.count=5
  python src/run_plan.py --keep configs/mine.yaml --minutes 60               plans what the config leaves out
  python src/run_plan.py --config configs/auto_tiles.yaml --minutes 60        a plan that was changed by hand"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = command_parser("From a folder of data and a number of minutes to a submission and a report.", EXAMPLES)
    add_plan_arguments(parser)
    parser.add_argument("--config", type=Path, metavar="FILE", help="a plan that is there, run again as it is")
    parser.add_argument(
        "--on-bad-image",
        choices=("strict", "empty"),
        default="strict",
        help="test images that cannot be read: stop before any work, naming them (default), or empty masks for them",
    )
    return parser.parse_args()


def main() -> None:
    """Plan and run."""
    args = parse_args()
    planned = args.config is None
    if planned == (args.data is None and args.keep is None):
        raise UsageError(
            "give --data FOLDER or --keep CONFIG, to plan and run, or --config FILE alone, a plan to run as it is"
        )
    overrides = [override for group in args.overrides for override in group]
    path = make_plan(request_of(args)) if planned else args.config.resolve()
    if not path.is_file():
        raise UsageError(f"--config: {display(path)} does not exist")
    given = [] if planned else overrides  # in the plan
    first = first_run_of(path)
    run_plan(
        load_experiment(first, given) if first.is_file() else None,
        load_experiment(path, given),
        Deadline(_STARTED, 60 * args.minutes),
        args.on_bad_image,
    )


if __name__ == "__main__":
    run_stage(main)
