"""Predict the test images with all folds and write the submission.

Reads runs/<name>/fold<k>/model.pt, oof/<name>/postprocess.json and the competition's sample file. Writes
submissions/<name>.csv, whole or not at all, after decoding every mask back. Refuses a postprocess.json that was tuned
on other models or another test-time augmentation, or that was changed since; --rules takes an edited copy. A killed run
continues at the last finished shard of images. With --on-bad-image empty, test images that cannot be read get empty
masks; submissions/<name>.bad_images.csv names them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.data.opening import open_competition
from maskfold.stages.make_submission import make_submission

EXAMPLES = """\
  python src/make_submission.py                                  the demo
  python src/make_submission.py --config configs/severstal.yaml  your experiment
  python src/make_submission.py --on-bad-image empty             an unreadable test image shall stop nothing"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Predict the test images with all folds and write the submission.", EXAMPLES)
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="FILE",
        help="an edited copy of postprocess.json, to be used instead of it",
    )
    return parser.parse_args()


def main() -> None:
    """Predict and write."""
    args = parse_args()
    config = config_of(args)
    make_submission(
        config,
        open_competition(config.data, config.in_channels, args.on_bad_image),
        args.accept_code_changes,
        args.rules,
    )


if __name__ == "__main__":
    run_stage(main)
