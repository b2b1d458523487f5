"""Look through a competition's files and labels, and find the images that are copies of each other.

Reads the images, the labels and, where there are any, the folds. Writes reports/<name>.data_audit/: index.html and csv
files, among them groups.csv, which data.groups_csv accepts. Broken files and labels do not stop it: they are listed.
"""

from __future__ import annotations

import argparse

from maskfold.artefacts.paths import RunPaths
from maskfold.command_line import add_json_argument, config_of, run_stage, stage_parser
from maskfold.execution.json_output import files_of, give_json
from maskfold.stages.audit_data import audit_data

EXAMPLES = """\
  python src/audit_data.py                                  the demo
  python src/audit_data.py --config configs/severstal.yaml  your experiment
then, for folds that keep copies together:
  python src/make_folds.py --set data.groups_csv=$PWD/reports/demo.data_audit/groups.csv"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Look through a competition's files and labels for what spoils scores.", EXAMPLES)
    add_json_argument(parser)
    return parser.parse_args()


def main() -> None:
    """Audit the data."""
    args = parse_args()
    config = config_of(args)
    audit_data(config, args.accept_code_changes)
    give_json({"files": files_of(RunPaths.of(config).data_audit)})


if __name__ == "__main__":
    run_stage(main)
