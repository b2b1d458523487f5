"""Check a submission, made by maskfold or not, as the competition would, and compare it with another.

Reads FILE (csv, json or folder of masks), the competition's sample file, the training labels, and the OOF scores where
there are any. Prints every problem with its row (rows and their order, runs that are not positive, sorted, in range or
overlap, classes), and the share of non-empty masks next to that of the training images: a large difference is a
warning. With --against writes reports/<name>.compare/index.html, the images in which two files differ most. The exit
code is 0 only when the competition would accept FILE.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from maskfold.command_line import add_json_argument, config_of, run_stage, stage_parser
from maskfold.data.opening import open_competition
from maskfold.execution.json_output import give_json
from maskfold.submission.checking import check_submission

EXAMPLES = """\
  python src/check_submission.py submissions/demo.csv
  python src/check_submission.py other.csv --config configs/severstal.yaml
  python src/check_submission.py new.csv --against old.csv --config configs/severstal.yaml   where do they differ?"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Check a submission as the competition would, and compare it with another.", EXAMPLES)
    parser.add_argument("file", type=Path, metavar="FILE", help="csv, COCO results json, or folder of png masks")
    parser.add_argument("--against", type=Path, metavar="OTHER", help="another submission to compare with")
    add_json_argument(parser)
    return parser.parse_args()


def main() -> None:
    """Check."""
    args = parse_args()
    config = config_of(args)
    competition = open_competition(config.data, on_bad_image=args.on_bad_image)
    accepted = check_submission(config, competition, args.file, args.against)
    give_json({"file": str(args.file), "accepted": accepted})
    sys.exit(0 if accepted else 1)


if __name__ == "__main__":
    run_stage(main)
