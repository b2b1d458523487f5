"""Rank the labels most likely wrong, with the reason, from what the out-of-fold predictions say against them.

Reads oof/<name>/fold<k>.parquet, the labels, and the tuned rules where there are any (else p >= 0.5). Writes
reports/<name>.label_audit/: index.html with pictures, labels.csv, and the csv files that data.exclude takes.
"""

from __future__ import annotations

import argparse

from maskfold.artefacts.paths import RunPaths
from maskfold.command_line import add_json_argument, config_of, run_stage, stage_parser
from maskfold.data.opening import open_competition
from maskfold.execution.json_output import files_of, give_json
from maskfold.stages.audit_labels import audit_labels

EXAMPLES = """\
  python src/audit_labels.py                                  the demo
  python src/audit_labels.py --config configs/severstal.yaml  your experiment
  python src/audit_labels.py --pictures 1000"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Rank the labels most likely wrong, with the reason.", EXAMPLES)
    parser.add_argument(
        "--pictures",
        type=int,
        default=400,
        metavar="N",
        help="labels that the page shows, the worst first (default: 400)",
    )
    add_json_argument(parser)
    return parser.parse_args()


def main() -> None:
    """Audit."""
    args = parse_args()
    config = config_of(args)
    competition = open_competition(config.data, on_bad_image=args.on_bad_image)
    audit_labels(config, competition, args.accept_code_changes, args.pictures)
    give_json({"files": files_of(RunPaths.of(config).label_audit)})


if __name__ == "__main__":
    run_stage(main)
