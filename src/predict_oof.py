"""Predict every training image with the fold that has not seen it (out of fold, OOF).

Reads runs/<name>/fold<k>/model.pt and folds/<name>.csv. Writes oof/<name>/fold<k>.parquet: 8-bit probabilities at the
original image size, with the same code and test-time augmentation as the test images. Fresh folds are skipped.
"""

from __future__ import annotations

import argparse

from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.data.opening import open_competition
from maskfold.stages.predict_oof import predict_oof

EXAMPLES = """\
  python src/predict_oof.py                                  the demo
  python src/predict_oof.py --config configs/severstal.yaml  your experiment
  python src/predict_oof.py --set 'inference.tta=[hflip, vflip]'"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    return stage_parser("Predict every training image out of fold.", EXAMPLES).parse_args()


def main() -> None:
    """Predict."""
    args = parse_args()
    config = config_of(args)
    predict_oof(config, open_competition(config.data, config.in_channels, args.on_bad_image), args.accept_code_changes)


if __name__ == "__main__":
    run_stage(main)
