"""Choose thresholds and minimum areas on the OOF predictions: every setting scored exactly, the gain honestly.

By a metric that looks at whole masks (surface_dice, object_f2, your own …) settings are sampled, not scored exactly.

Reads oof/<name>/fold<k>.parquet and the labels. Writes oof/<name>/postprocess.json (the rules test images use),
image_scores.csv, surface_<class>.png, study.sqlite3 and tables/ (the exact score tables), and prints a score table.
Fresh work is skipped. With --oof the predictions come from elsewhere (docs/reference/formats.md shows the forms), and
results go to oof/foreign-<name of that file or folder>/.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from maskfold.command_line import add_json_argument, config_of, run_stage, stage_parser
from maskfold.config.tuning import Metric
from maskfold.data.exclusive import with_exclusive
from maskfold.data.label_rows import RowRules
from maskfold.data.opening import open_competition
from maskfold.errors import UsageError
from maskfold.execution.json_output import give_json
from maskfold.oof.imported import import_oof, labelled_competition
from maskfold.oof.sources import open_source
from maskfold.stages.tracked import tune_and_track
from maskfold.stages.tune_thresholds import tune

EXAMPLES = """\
  python src/tune_thresholds.py                                  the demo
  python src/tune_thresholds.py --config configs/severstal.yaml  your experiment
  python src/tune_thresholds.py --metric iou --rule triplet      another metric, one rule only
  python src/tune_thresholds.py --oof maps/ --labels train.csv   maps (.npy, .png) of another pipeline"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Choose thresholds and minimum areas on the OOF predictions.", EXAMPLES)
    rules = ["auto", "component", "mask", "triplet", "expected", "all"]
    parser.add_argument("--rule", choices=rules, help="tuning.rule")
    metrics = f"{', '.join(get_args(Metric))}, or package.module:name"
    parser.add_argument("--metric", metavar="NAME", help=f"tuning.metric: {metrics}; of whole masks are sampled")
    parser.add_argument("--trials", type=int, metavar="N", help="tuning.trials, of the Optuna study")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the study and of the bootstrap")
    parser.add_argument("--oof", type=Path, metavar="PATH", help="OOF predictions made elsewhere: .parquet or a folder")
    parser.add_argument("--labels", type=Path, metavar="CSV", help="run lengths for --oof (default: the config's data)")
    several = "of one image and class: an error, objects, or annotators"
    orders = ["column", "row", "relative"]
    parser.add_argument("--order", choices=orders, default="column", help="pixel order of --labels, see data.order")
    parser.add_argument("--several-rows", choices=["refuse", "union", "mean"], default="refuse", help=several)
    parser.add_argument("--empty-token", default="", metavar="TEXT", help="what --labels writes for an empty mask")
    parser.add_argument("--ignore-class", metavar="NAME", help="class of --labels that marks pixels nobody labelled")
    folder = "masks of pixels nobody labelled: a folder, or void/{stem}_ignore.png"
    parser.add_argument("--ignore-masks", metavar="FOLDER", help=f"with --labels, {folder}")
    add_json_argument(parser)
    args = parser.parse_args()
    for key, value in (("tuning.rule", args.rule), ("tuning.metric", args.metric), ("seed", args.seed)):
        args.overrides += [[f"{key}={value}"]] if value is not None else []
    args.overrides += [[f"tuning.trials={args.trials}"]] if args.trials is not None else []
    return args


def main() -> None:
    """Tune."""
    args = parse_args()
    config = config_of(args)
    if args.ignore_masks is not None and args.labels is None:
        raise UsageError("--ignore-masks goes with --labels; the config's data has data.ignore_masks")
    if args.oof is None:
        if args.labels is not None:
            raise UsageError("--labels goes with --oof; without it the labels are those of the config's data")
        competition = open_competition(config.data, on_bad_image=args.on_bad_image)
        give_json(tune_and_track(config, competition, args.accept_code_changes).model_dump(mode="json"))
        return
    if args.labels is not None:
        options = ("--order relative", "--empty-token=", "--several-rows union")
        rules = RowRules(args.order, args.empty_token, args.several_rows, *options, args.ignore_class)
        competition, source = labelled_competition(args.labels, args.oof, rules, args.ignore_masks)
        competition = with_exclusive(competition) if config.data.exclusive else competition
    else:
        competition = open_competition(config.data, on_bad_image=args.on_bad_image)
        source = open_source(args.oof, competition.class_names, competition.train["image_id"].tolist())
    foreign = import_oof(config, args.oof, source, len(competition.class_names))
    give_json(tune(foreign, competition, args.accept_code_changes).model_dump(mode="json"))


if __name__ == "__main__":
    run_stage(main)
