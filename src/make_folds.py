"""Split the training images into stratified folds that respect groups.

Reads the competition's labels and groups. Writes folds/<name>.csv (image_id, fold, stratum, group) and prints how even
the folds are, and what was given up where groups stay together. The config's folds section chooses the kind: k folds,
repeated k folds, a hold-out, the competition's own validation images, or a csv (docs/how-to/choose-folds.md). A
folds/<name>.csv that you put there yourself is checked and kept.
"""

from __future__ import annotations

import argparse

from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.data.opening import open_competition
from maskfold.stages.make_folds import make_folds

EXAMPLES = """\
  python src/make_folds.py                                  the demo
  python src/make_folds.py --config configs/severstal.yaml  your experiment
  python src/make_folds.py --set folds.count=3
  python src/make_folds.py --set folds.repeats=3            three cuts, three times the models
  python src/make_folds.py --set folds.kind=hold_out        one model, scored on a fifth of the images"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    return stage_parser("Split the training images into stratified folds that respect groups.", EXAMPLES).parse_args()


def main() -> None:
    """Make the folds."""
    args = parse_args()
    config = config_of(args)
    make_folds(config, open_competition(config.data, on_bad_image=args.on_bad_image), args.accept_code_changes)


if __name__ == "__main__":
    run_stage(main)
