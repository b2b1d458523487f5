"""Compare runs: parameters, epochs, loss, scores, training time, inference time and size on disk, one row a run.

Reads runs/<name>/, oof/<name>/postprocess.json and reports/<name>.speed/speed.csv. Writes reports/runs.csv and
reports/runs.md. A stage that has not run leaves blanks, and the command for it is printed below the table.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from maskfold.artefacts.paths import resolve
from maskfold.command_line import add_json_argument, command_parser, run_stage
from maskfold.execution.json_output import give_json

EXAMPLES = """\
  python src/compare_runs.py                                          every config that has a trained fold
  python src/compare_runs.py magnetic_tile magnetic_tile_fpn blend_magnetic_tile
  python src/compare_runs.py configs/mine.yaml --set output_root=/data/runs --out /tmp"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = command_parser("Compare runs, one row each.", EXAMPLES)
    parser.add_argument("names", nargs="*", metavar="NAME", help="NAME of configs/NAME.yaml, or a config file")
    parser.add_argument("--out", type=Path, default=Path("reports"), metavar="FOLDER", help="default: reports/")
    add_json_argument(parser)
    return parser.parse_args()


def main() -> None:
    """Compare."""
    args = parse_args()
    # torch takes seconds to import, and --help does not need it.
    from maskfold.stages.compare_runs import compare_runs

    overrides = [override for group in args.overrides for override in group]
    give_json(compare_runs(args.names, overrides, resolve(args.out)).to_dict("records"))


if __name__ == "__main__":
    run_stage(main)
