"""Plan an experiment from a folder of data and a number of minutes.

Recognises the data, looks at images and labels, measures how fast this machine trains for a few seconds, and writes
configs/<name>.yaml: an ordinary config in which every planned line says why. Read it, change what you like, and run it
like any other; --set values are kept as they are. An unchanged plan of the same command is kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from maskfold.artefacts.paths import display
from maskfold.command_line import command_parser, run_stage
from maskfold.stages.plan import PlanRequest, make_plan

EXAMPLES = """\
  python src/plan.py --data /data/salt --minutes 60 --metric tgs_precision
  python src/plan.py --data data/demo --minutes 5 --name quick
  python src/plan.py --data /data/salt --minutes 600 --weights /data/weights --set folds.count=5
  python src/plan.py --data /data/salt --minutes 60 --explain      where every value of the config comes from"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = command_parser("Plan an experiment from a folder of data and a number of minutes.", EXAMPLES)
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER", help="the competition's data, as it was unpacked")
    add("--minutes", type=float, required=True, metavar="M", help="from the plan to the submission, set-up apart")
    add("--name", metavar="NAME", help="of the run (default: auto_<folder>)")
    add("--metric", metavar="NAME", help="of the competition: dice, iou, tgs_precision, pooled_dice")
    add("--weights", type=Path, metavar="PATH", help="pretrained weights: <encoder>-imagenet.pth, or a folder of them")
    add("--cores", type=int, metavar="N", help="use no more than these (default: all that this process may use)")
    add("--explain", action="store_true", help="print where every value of the config comes from")
    return parser.parse_args()


def main() -> None:
    """Plan."""
    args = parse_args()
    overrides = tuple(override for group in args.overrides for override in group)
    request = PlanRequest(
        args.data, args.minutes, args.name, args.metric, args.weights, args.cores, overrides, args.explain
    )
    path = make_plan(request)
    print(f"plan: wrote {display(path)}; run it with: bash run_all.sh {display(path)}")


if __name__ == "__main__":
    run_stage(main)
