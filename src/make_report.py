"""Make the report of a run: static HTML pages with scores, surfaces, curves, and galleries of OOF and test images.

Reads oof/<name>/ (postprocess.json, image_scores.csv, tables, OOF), runs/<name>/fold<k>/history.csv, the images, and
submissions/<name>.* where it is there. Writes reports/<name>/: index.html, oof.html, test.html and their pictures; the
folder opens from disk and travels as it is.
"""

from __future__ import annotations

import argparse

from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.data.opening import open_competition
from maskfold.stages.tracked import report_and_track

EXAMPLES = """\
  python src/make_report.py                                  the demo
  python src/make_report.py --config configs/severstal.yaml  your experiment
  python src/make_report.py --no-test-gallery                without the page of all test images
  python src/make_report.py --set report.picture_px=800 report.oof_gallery=false"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Make the report of a run: static HTML pages.", EXAMPLES)
    parser.add_argument(
        "--no-test-gallery", action="store_true", help="leave out the test images, as report.test_gallery=false does"
    )
    return parser.parse_args()


def main() -> None:
    """Make the pages."""
    args = parse_args()
    config = config_of(args)
    if args.no_test_gallery:
        config = config.model_copy(update={"report": config.report.model_copy(update={"test_gallery": False})})
    report_and_track(config, open_competition(config.data, on_bad_image=args.on_bad_image), args.accept_code_changes)


if __name__ == "__main__":
    run_stage(main)
