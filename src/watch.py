"""Show how far a run is, while other processes work on it: in another terminal, or on a machine with the same folder.

Reads histories, locks and what is there; changes nothing. Ends when no stage is at work on the run.
"""

from __future__ import annotations

import argparse

from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.stages.watch import watch

EXAMPLES = """\
  python src/watch.py                                  the demo
  python src/watch.py --config configs/severstal.yaml  your experiment
  python src/watch.py --once                           one look, then stop"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Show how far a run is, while other processes work on it.", EXAMPLES)
    parser.add_argument("--every", type=float, default=5.0, metavar="S", help="seconds between two looks (default: 5)")
    parser.add_argument("--once", action="store_true", help="look once, then stop")
    return parser.parse_args()


def main() -> None:
    """Watch."""
    args = parse_args()
    watch(config_of(args), max(0.1, args.every), args.once)


if __name__ == "__main__":
    run_stage(main)
