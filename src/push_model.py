"""Share a tuned run as a folder or a Hugging Face repository: safetensors, rules, config and a model card.

Reads runs/<name>/fold<k>/model.pt, oof/<name>/ and folds/<name>.csv. Writes --to FOLDER, whole or not at all, or pushes
one commit to --to hf://user/repo, private unless --public, with the token of `hf auth login` or HF_TOKEN. The card says
what the model was trained on, its honest score with an interval, its rules and how to load it. It is loaded with
`predict.py --model`, `maskfold.Run.of_model` and `model.init_from`.
"""

from __future__ import annotations

import argparse

from maskfold.command_line import add_json_argument, config_of, run_stage, stage_parser
from maskfold.execution.json_output import give_json

EXAMPLES = """\
  python src/push_model.py --to exports/demo_model                                            the demo, as a folder
  python src/push_model.py --config configs/people.yaml --to hf://user/people                     private
  python src/push_model.py --config configs/people.yaml --to hf://user/people --public --license cc-by-4.0"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Share a tuned run as a folder or a Hugging Face repository.", EXAMPLES)
    parser.add_argument("--to", required=True, metavar="FOLDER|hf://USER/REPO", help="where it goes")
    parser.add_argument("--public", action="store_true", help="everybody may read the repository (default: private)")
    parser.add_argument("--license", metavar="ID", help="of the weights, as the hub calls it, such as apache-2.0")
    parser.add_argument("--message", metavar="TEXT", help="of the commit (default: the run and its honest score)")
    parser.add_argument("--overwrite", action="store_true", help="replace a shared model that is in the folder")
    add_json_argument(parser)
    return parser.parse_args()


def main() -> None:
    """Share."""
    args = parse_args()
    # Loaded here, so that --help and a misspelt option are handled at once.
    from maskfold.stages.push_model import push_model

    where = push_model(config_of(args), args.to, args.public, args.license, args.message, args.overwrite)
    give_json({"model": where})


if __name__ == "__main__":
    run_stage(main)
