"""Write a bundle that predicts test images offline: weights, code, resolved config, tuned rules, a script, a notebook.

Reads runs/<name>/fold<k>/model.pt and oof/<name>/postprocess.json. Writes exports/<name>/, or exports/<name>.zip, whole
or not at all. In the bundle, README.txt says how to run it; it needs no internet and no training data.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from maskfold.artefacts.paths import resolve
from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.stages.export_bundle import export_bundle

EXAMPLES = """\
  python src/export_bundle.py                                                  the demo, to exports/demo/
  python src/export_bundle.py --config configs/severstal.yaml --half --zip     half the size, one file"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Write a bundle that predicts test images offline.", EXAMPLES)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write it (default: exports/<name>)")
    parser.add_argument("--half", action="store_true", help="weights in half precision; the last bits may differ")
    parser.add_argument("--zip", action="store_true", help="write FOLDER.zip instead of the folder")
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle that is there already")
    return parser.parse_args()


def main() -> None:
    """Export."""
    args = parse_args()
    config = config_of(args)
    folder = resolve("exports") / config.name if args.out is None else args.out.resolve()
    export_bundle(config, folder, args.half, args.zip, args.overwrite)


if __name__ == "__main__":
    run_stage(main)
