"""Choose thresholds and minimum areas on the OOF predictions: every setting scored exactly, the gain told honestly.

Reads oof/<name>/fold<k>.parquet and the labels. Writes oof/<name>/postprocess.json (the rules test images use),
image_scores.csv and tables/ (the exact score tables), and prints a score table. Fresh work is skipped.
"""

from __future__ import annotations

import argparse

from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.data.reading import open_competition
from maskfold.tuning import tune

EXAMPLES = """\
  python src/tune_thresholds.py                                  the demo
  python src/tune_thresholds.py --config configs/severstal.yaml  your experiment
  python src/tune_thresholds.py --set tuning.metric=iou          another metric"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    return stage_parser("Choose thresholds and minimum areas on the OOF predictions.", EXAMPLES).parse_args()


def main() -> None:
    """Tune."""
    args = parse_args()
    config = config_of(args)
    tune(config, open_competition(config.data), args.accept_code_changes)


if __name__ == "__main__":
    run_stage(main)
