"""Train every fold of an experiment, and the models of its refit.

Reads the competition's images and labels and folds/<name>.csv. Writes runs/<name>/fold<k>/ and refit<k>/: model.pt
(the chosen weights), checkpoints, samples.png, history.csv and TensorBoard logs; and runs/<name>/folds.csv, the folds
side by side. A model whose inputs have not changed is skipped; one that was interrupted continues after its last epoch.
"""

from __future__ import annotations

import argparse

from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.data.opening import open_competition
from maskfold.stages.train import models_asked_for, train_models

EXAMPLES = """\
  python src/train.py                                        the demo
  python src/train.py --config configs/severstal.yaml        your experiment
  python src/train.py --config configs/people.yaml --fold 0  one fold only
  python src/train.py --set train.epochs=3 train.batch_size=8"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Train every fold of an experiment.", EXAMPLES)
    parser.add_argument("--fold", type=int, metavar="K", help="train this fold only (0-based)")
    parser.add_argument("--refit", action="store_true", help="train only the models of `refit`, on all labelled images")
    return parser.parse_args()


def main() -> None:
    """Train."""
    args = parse_args()
    config = config_of(args)
    only = models_asked_for(config, args.fold, args.refit)
    competition = open_competition(config.data, config.in_channels, args.on_bad_image)
    train_models(config, competition, only, args.accept_code_changes)


if __name__ == "__main__":
    run_stage(main)
