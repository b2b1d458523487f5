"""Plan an experiment from a folder of data and a number of minutes.

Recognises the data, looks at images and labels, measures how fast this machine trains for a few seconds, and writes
configs/<name>.yaml: an ordinary config in which every planned line says why. Read it, change what you like, and run it
like any other; --set values are kept as they are. An unchanged plan of the same command is kept.
"""

from __future__ import annotations

import argparse

from maskfold.artefacts.paths import display
from maskfold.command_line import add_json_argument, command_parser, run_stage
from maskfold.commands import as_called
from maskfold.config import load_config
from maskfold.execution.json_output import give_json
from maskfold.stages.plan import add_plan_arguments, make_plan, request_of

EXAMPLES = """\
  python src/plan.py --data /data/salt --minutes 60 --metric tgs_precision
  python src/plan.py --data data/demo --minutes 5 --name quick
  python src/plan.py --data /data/salt --minutes 600 --weights /data/weights --set folds.count=5
  python src/plan.py --keep configs/mine.yaml --minutes 60         plans what the config leaves out
  python src/plan.py --data /data/salt --minutes 60 --explain      where every value of the config comes from"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = command_parser("Plan an experiment from a folder of data and a number of minutes.", EXAMPLES)
    add_plan_arguments(parser)
    add_json_argument(parser)
    return parser.parse_args()


def main() -> None:
    """Plan."""
    args = parse_args()
    path = make_plan(request_of(args))
    print(as_called(f"plan: wrote {display(path)}; run it with: bash run_all.sh {display(path)}"))
    give_json({"file": str(path), "config": load_config(path).model_dump(mode="json")})


if __name__ == "__main__":
    run_stage(main)
