"""Make the report of a run: one static HTML page with scores, surfaces, curves and pictures.

Reads oof/<name>/ (postprocess.json, image_scores.csv, tables, OOF), runs/<name>/fold<k>/history.csv and the training
images. Writes reports/<name>/: index.html and its pictures; the folder opens from disk and travels as it is.
"""

from __future__ import annotations

import argparse

from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.data.reading import open_competition
from maskfold.report.stage import make_report

EXAMPLES = """\
  python src/make_report.py                                  the demo
  python src/make_report.py --config configs/severstal.yaml  your experiment
  python src/make_report.py --set report.examples=30"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    return stage_parser("Make the report of a run: one static HTML page.", EXAMPLES).parse_args()


def main() -> None:
    """Make the page."""
    args = parse_args()
    config = config_of(args)
    make_report(config, open_competition(config.data, on_bad_image=args.on_bad_image), args.accept_code_changes)


if __name__ == "__main__":
    run_stage(main)
