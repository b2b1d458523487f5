"""Write a bundle that predicts test images offline: weights, code, resolved config, tuned rules, a script, a notebook.

Reads runs/<name>/fold<k>/model.pt and oof/<name>/postprocess.json. Writes exports/<name>/, or exports/<name>.zip, whole
or not at all. In the bundle, README.txt says how to run it; it needs no internet and no training data.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from maskfold.artefacts.paths import resolve
from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.errors import UsageError
from maskfold.export.target import list_names, target_of
from maskfold.stages.export_bundle import WheelRequest, export_bundle

EXAMPLES = """\
  python src/export_bundle.py                                                  the demo, to exports/demo/
  python src/export_bundle.py --config configs/severstal.yaml --half --zip     half the size, one file
  python src/export_bundle.py --wheels wheels --have colab-2026-06             with what a notebook lacks"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Write a bundle that predicts test images offline.", EXAMPLES)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write it (default: exports/<name>)")
    parser.add_argument("--half", action="store_true", help="weights in half precision; the last bits may differ")
    parser.add_argument("--zip", action="store_true", help="write FOLDER.zip instead of the folder")
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle that is there already")
    add = parser.add_argument
    add(
        "--wheels", type=Path, metavar="DIR", help="bring the packages that the target lacks; downloads are kept in DIR"
    )
    lists = ", ".join(list_names())
    add(
        "--have",
        metavar="FILE",
        help=f"`pip freeze` of the target, or a list that comes along ({lists}); default: nothing",
    )
    add("--python-version", metavar="X.Y", help="of the target (default: that of the list, or this one)")
    add("--platform", metavar="TAG", help="of the target, such as manylinux_2_28_x86_64 (default: likewise)")
    return parser.parse_args()


def wheels_asked_for(args: argparse.Namespace) -> WheelRequest | None:
    """What is to be brought along; None: nothing. Raises UsageError for options that need --wheels."""
    if args.wheels is None:
        given = [f"--{name.replace('_', '-')}" for name in ("have", "python_version", "platform") if vars(args)[name]]
        if given:
            raise UsageError(f"{', '.join(given)}: without --wheels DIR nothing is brought along")
        return None
    return WheelRequest(args.wheels.resolve(), target_of(args.have, args.python_version, args.platform))


def main() -> None:
    """Export."""
    args = parse_args()
    config = config_of(args)
    folder = resolve("exports") / config.name if args.out is None else args.out.resolve()
    export_bundle(config, folder, args.half, args.zip, args.overwrite, wheels_asked_for(args))


if __name__ == "__main__":
    run_stage(main)
