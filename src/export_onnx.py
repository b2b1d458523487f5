"""Write trained folds as an ONNX file: raw pixels in, mask (and class) probabilities out.

Reads runs/<name>/fold<k>/model.pt. Writes exports/<name>.onnx, the mean of all folds, or with --fold one of them, after
comparing it with torch on random images. With --int8 its numbers have 8 bits, and training images show how far its
masks are from those of the float file. Needs the packages of requirements-onnx.txt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from maskfold.artefacts.paths import resolve
from maskfold.command_line import config_of, run_stage, stage_parser
from maskfold.config import Blend, Experiment
from maskfold.data.opening import open_competition
from maskfold.errors import UsageError
from maskfold.export.onnx import default_size, export_onnx
from maskfold.inference.batches import BatchDataset, PixelBatches

EXAMPLES = """\
  pip install -r requirements-onnx.txt
  python src/export_onnx.py                                        the mean of the demo's folds, to exports/demo.onnx
  python src/export_onnx.py --fold 0 --config configs/people.yaml  one fold, to exports/people_fold0.onnx
  python src/export_onnx.py --int8 --config configs/people.yaml    smaller and faster, to exports/people_int8.onnx"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Write trained folds as an ONNX file.", EXAMPLES)
    parser.add_argument("--fold", type=int, metavar="K", help="one fold (default: the mean of all)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: exports/<name>.onnx, _fold<k>.onnx")
    parser.add_argument("--pixels", choices=["uint8", "float32"], default="uint8", help="type of the input, 0..255")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="px of the images it is traced with")
    parser.add_argument("--fixed-size", action="store_true", help="only for images of --size")
    parser.add_argument("--int8", action="store_true", help="8-bit numbers: smaller, faster on a CPU, less exact")
    parser.add_argument(
        "--int8-images", type=int, default=128, metavar="N", help="training images for it (default: 128)"
    )
    return parser.parse_args()


def main() -> None:
    """Export."""
    args = parse_args()
    config = config_of(args)
    if isinstance(config, Blend):
        names = ", ".join(run.name for run in config.experiments)
        raise UsageError(f"{config.name} is a blend; export its members, each with its own config: {names}")
    name = config.name if args.fold is None else f"{config.name}_fold{args.fold}"
    name += "_int8" if args.int8 else ""
    path = resolve("exports") / f"{name}.onnx" if args.out is None else args.out.resolve()
    size = default_size(config) if args.size is None else tuple(args.size)
    inputs = _int8_inputs(config, args.int8_images, size if args.fixed_size else None) if args.int8 else None
    export_onnx(config, path, args.fold, size, args.pixels, args.fixed_size, int8_inputs=inputs)


def _int8_inputs(config: Experiment, count: int, size: tuple[int, int] | None) -> tuple[PixelBatches, PixelBatches]:
    """At most `count` training images drawn at random: half to calibrate on, half to measure on. Raises UsageError."""
    if count < 2:
        raise UsageError(f"--int8-images: at least 2 are needed, to calibrate on and to measure on; found {count}")
    images = open_competition(config.data, config.in_channels).train
    drawn = images.sample(min(count, len(images)), random_state=config.seed)
    half = (len(drawn) + 1) // 2
    parts = (
        BatchDataset(part, config.model, 8, config.inference.pad_multiple) for part in (drawn[:half], drawn[half:])
    )
    calibration, others = (PixelBatches(part, size) for part in parts)
    return calibration, others


if __name__ == "__main__":
    run_stage(main)
