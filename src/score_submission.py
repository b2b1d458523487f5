"""Score a submission against known labels, class by class, as the demo's competition would.

Reads a submission and the truth, both complete for all images and classes, in any layout of docs/reference/formats.md.
Prints for each class the score, that of a submission whose masks are all empty, and the Dice of non-empty images; with
`submission.rows: object` also scores of objects. Writes nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from maskfold.command_line import add_json_argument, config_of, run_stage, stage_parser
from maskfold.data.opening import open_competition
from maskfold.execution.json_output import give_json
from maskfold.submission.scoring import print_scores, score_submission

EXAMPLES = """\
  python src/score_submission.py     the demo's submission against data/demo/truth/test.csv
  python src/score_submission.py --config configs/mine.yaml --truth /data/mine/truth.csv --submission other.csv"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Score a submission against known labels.", EXAMPLES)
    parser.add_argument("--truth", type=Path, metavar="FILE", help="default: truth/test.csv below data.root")
    parser.add_argument("--submission", type=Path, metavar="FILE", help="csv, json or folder (default: this run's)")
    add_json_argument(parser)
    return parser.parse_args()


def main() -> None:
    """Score."""
    args = parse_args()
    config = config_of(args)
    competition = open_competition(config.data, on_bad_image=args.on_bad_image)
    scores = score_submission(config, competition, args.submission, args.truth)
    print_scores(scores)
    means = scores.drop(columns="class_name").mean().to_dict()
    give_json({"metric": config.tuning.metric, "classes": scores.to_dict("records"), "mean": means})


if __name__ == "__main__":
    run_stage(main)
