"""Draw a map of the training images, where those that the run's own encoder sees alike lie near each other.

Reads runs/<name>/fold0/model.pt, oof/<name>/ (postprocess.json, image_scores.csv) and the images, each of which goes
through the encoder once: as long as a training epoch's forward passes. Writes reports/<name>.image_map/; a report that
is made after it holds the map.
"""

from __future__ import annotations

import argparse

from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.data.opening import open_competition
from maskfold.stages.map_images import map_images

EXAMPLES = """\
  python src/map_images.py                                  the demo
  python src/map_images.py --config configs/severstal.yaml  your experiment
  python src/make_report.py --config configs/severstal.yaml then, for a report with a link to the map"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    return stage_parser("Draw a map of the training images by what the run's own encoder sees.", EXAMPLES).parse_args()


def main() -> None:
    """Draw the map."""
    args = parse_args()
    config = config_of(args)
    competition = open_competition(config.data, config.in_channels, args.on_bad_image)
    map_images(config, competition, args.accept_code_changes)


if __name__ == "__main__":
    run_stage(main)
