"""Write trained folds as an ONNX file: raw pixels in, mask (and class) probabilities out.

Reads runs/<name>/fold<k>/model.pt. Writes exports/<name>.onnx, the mean of all folds, or with --fold one of them, after
comparing it with torch on random images. Needs the packages of requirements-onnx.txt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from maskfold.artefacts.paths import resolve
from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.config import Blend
from maskfold.errors import UsageError
from maskfold.export.onnx import default_size, export_onnx

EXAMPLES = """\
  pip install -r requirements-onnx.txt
  python src/export_onnx.py                                        the mean of the demo's folds, to exports/demo.onnx
  python src/export_onnx.py --fold 0 --config configs/people.yaml  one fold, to exports/people_fold0.onnx"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Write trained folds as an ONNX file.", EXAMPLES)
    parser.add_argument("--fold", type=int, metavar="K", help="one fold (default: the mean of all)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: exports/<name>.onnx, _fold<k>.onnx")
    parser.add_argument("--pixels", choices=["uint8", "float32"], default="uint8", help="type of the input, 0..255")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="px of the images it is traced with")
    parser.add_argument("--fixed-size", action="store_true", help="only for images of --size")
    return parser.parse_args()


def main() -> None:
    """Export."""
    args = parse_args()
    config = config_of(args)
    if isinstance(config, Blend):
        names = ", ".join(run.name for run in config.experiments)
        raise UsageError(f"{config.name} is a blend; export its members, each with its own config: {names}")
    name = config.name if args.fold is None else f"{config.name}_fold{args.fold}"
    path = resolve("exports") / f"{name}.onnx" if args.out is None else args.out.resolve()
    size = default_size(config) if args.size is None else tuple(args.size)
    export_onnx(config, path, args.fold, size, args.pixels, args.fixed_size)


if __name__ == "__main__":
    run_stage(main)
