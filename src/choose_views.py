"""Find out how much each view of test-time augmentation should count, on images that the models have not seen.

Predicts a sample of the out-of-fold images view by view (inference.tta), scores each view alone, all alike, and weights
that a search finds, honestly, and prints the lines for the config. Writes oof/<name>/views.json; changes nothing else.
"""

from __future__ import annotations

import argparse

from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.data.opening import open_competition
from maskfold.stages.choose_views import choose_views

EXAMPLES = """\
  python src/choose_views.py                                       the demo
  python src/choose_views.py --config configs/people.yaml          your experiment
  python src/choose_views.py --set inference.tta=[hflip,scale1.25] other views, with the trained networks"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Find out how much each view of test-time augmentation should count.", EXAMPLES)
    parser.add_argument(
        "--trials",
        type=int,
        default=20,
        metavar="N",
        help="views that the search picks, with replacement (default: 20)",
    )
    parser.add_argument(
        "--sample-px",
        type=int,
        default=2**27,
        metavar="N",
        help="pixels of the maps that weights are chosen on, over all classes and views; a byte of memory each "
        "(default: 134217728)",
    )
    return parser.parse_args()


def main() -> None:
    """Choose."""
    args = parse_args()
    config = config_of(args)
    competition = open_competition(config.data, on_bad_image=args.on_bad_image)
    choose_views(config, competition, args.accept_code_changes, args.trials, args.sample_px)


if __name__ == "__main__":
    run_stage(main)
