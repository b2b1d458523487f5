"""Kaggle around a run: pull a competition's data, push a submission or a bundle, fetch public scores.

pull downloads the data to data/COMPETITION (continued after a break, unpacked whole or not at all) and writes
configs/COMPETITION.yaml from its files. push checks the submission of --config as check_submission.py does, sends it
with a message, waits for the public score, and writes it beside the honest one to
reports/COMPETITION.kaggle/leaderboard.csv, with leaderboard.png; --dataset sends the bundle. scores asks for scores
that came later. Credentials are those of Kaggle's own client: `kaggle auth login`, KAGGLE_API_TOKEN or ~/.kaggle.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from maskfold.command_line import add_json_argument, config_of, run_stage, stage_parser
from maskfold.errors import UsageError
from maskfold.execution.json_output import give_json

EXAMPLES = """\
  python src/on_kaggle.py pull severstal-steel-defect-detection --name steel               data and configs/steel.yaml
  python src/on_kaggle.py push severstal-steel-defect-detection --config configs/steel.yaml --message "five folds"
  python src/on_kaggle.py push severstal-steel-defect-detection --config configs/steel.yaml --dataset steel-bundle
  python src/on_kaggle.py scores severstal-steel-defect-detection                          what came later"""
_OF_PULL, _OF_PUSH = ("to", "name"), ("message", "file", "dataset", "only_dataset", "minutes")


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Pull a competition's data, push a submission or a bundle, fetch public scores.", EXAMPLES)
    add = parser.add_argument
    add("action", choices=("pull", "push", "scores"), help="what to do")
    add("competition", metavar="COMPETITION", help="the last part of the address of its page")
    add("--to", type=Path, metavar="FOLDER", help="pull: where the data goes (default: data/COMPETITION)")
    add("--name", metavar="NAME", help="pull: of the config (default: COMPETITION)")
    add("--message", metavar="TEXT", help="push: what the submission says (default: the run's name)")
    add("--file", type=Path, metavar="FILE", help="push: in place of the run's own submission")
    add("--dataset", metavar="[USER/]NAME", help="push: send the bundle as this private dataset, too")
    add("--only-dataset", action="store_true", help="push: no submission")
    add("--minutes", type=float, metavar="M", help="push: wait no longer for the score (default: 30)")
    add_json_argument(parser)
    return parser.parse_args()


def check_options(args: argparse.Namespace) -> None:
    """Raise UsageError for options of another action."""
    foreign = {"pull": _OF_PUSH, "push": _OF_PULL, "scores": (*_OF_PULL, *_OF_PUSH)}[args.action]
    unused = {name for name, value in vars(args).items() if value is None or value is False}
    given = [f"--{name.replace('_', '-')}" for name in foreign if name not in unused]
    if given:
        raise UsageError(f"{', '.join(given)}: not with {args.action}")
    if args.only_dataset and args.dataset is None:
        raise UsageError("--only-dataset: names no dataset; give --dataset NAME")
    if args.minutes is not None and args.minutes < 0:
        raise UsageError(f"--minutes {args.minutes:g}: expected 0 or more")


def main() -> None:
    """Pull, push or fetch scores."""
    args = parse_args()
    check_options(args)
    # Loaded here, so that --help and a misspelt option are handled at once.
    from maskfold.stages.on_kaggle import PushRequest, fetch_scores, pull, push

    if args.action == "pull":
        give_json({"config": str(pull(args.competition, args.to, args.name))})
        return
    config = config_of(args)
    if args.action == "scores":
        table = fetch_scores(config, args.competition)
    else:
        minutes = 30.0 if args.minutes is None else args.minutes
        message = args.message or config.name
        request = PushRequest(args.competition, message, args.file, args.dataset, not args.only_dataset, minutes)
        table = push(config, request)
    give_json(table.to_dict(orient="records"))


if __name__ == "__main__":
    run_stage(main)
