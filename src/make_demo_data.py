"""Draw the demo competition: a small, Severstal-shaped set of steel strips with four kinds of defects.

Reads the `demo` section of the config. Writes data.root: train_images/, train.csv, test_images/, sample_submission.csv
and, apart, truth/test.csv. The same seed draws the same bytes. Configs without a demo section are left alone.
"""

from __future__ import annotations

import argparse

from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.stages.make_demo_data import make_demo_data

EXAMPLES = """\
  python src/make_demo_data.py
  python src/make_demo_data.py --set demo.seed=1 demo.train_images=1000 data.root=data/larger_demo"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    return stage_parser("Draw the demo competition.", EXAMPLES).parse_args()


def main() -> None:
    """Draw."""
    args = parse_args()
    make_demo_data(config_of(args), args.accept_code_changes)


if __name__ == "__main__":
    run_stage(main)
