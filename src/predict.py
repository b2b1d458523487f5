"""Show what a trained run sees in photos and videos: masks, overlays, cut-outs, blurred or other backgrounds.

Reads runs/<name>/fold<k>/model.pt and oof/<name>/postprocess.json, and the photos, folders, patterns or videos that it
is given; - is a stream on stdin. Writes predictions/<name>/<input>_<effect>.<format>, or --output, whole or not at all.
A frame of a video gets the mask that the same frame gets as a photo. Photos are turned upright as their EXIF data says.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

from maskfold.command_line import DEFAULT_CONFIG, add_run_argument, config_of, run_stage, stage_parser
from maskfold.errors import UsageError
from maskfold.media.request import (
    EFFECTS,
    PHOTO_FORMATS,
    VIDEO_FORMATS,
    Request,
)

EXAMPLES = """\
  python src/predict.py photo.jpg --run people                                 masks in colour, to predictions/people/
  python src/predict.py holiday/ 'more/*.jpg' --run people --effect cutout --soft-edge 2
  python src/predict.py clip.mp4 --run people --effect blur --smoothing 0.5 --output blurred.mp4
  python src/predict.py clip.mp4 --run people --effect replace --background beach.jpg --frame-rate 12
  python src/predict.py clip.mp4 --run people --folds 0 --tta none             one network, one view: fastest
  python src/predict.py photo.jpg --model hf://user/people@main                a shared model, or its folder
  ffmpeg -i rtsp://… -f matroska - | python src/predict.py - --run people      a stream, as long as it lasts"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Show what a trained run sees in photos and videos.", EXAMPLES)
    add_run_argument(parser)
    parser.add_argument(
        "--model", metavar="FOLDER|hf://USER/REPO", help="a shared model in place of a run of this folder"
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="photo, video, folder, pattern, or - for stdin")
    parser.add_argument("--effect", choices=EFFECTS, default="overlay", help="what to show (default: overlay)")
    parser.add_argument("--output", type=Path, metavar="PATH", help="file for one input, else a folder")
    parser.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    parser.add_argument("--photo-format", choices=PHOTO_FORMATS, help="default: png of mask and cutout, else jpg")
    parser.add_argument("--video-format", choices=VIDEO_FORMATS, default="mp4", help="png: a folder of frames")
    parser.add_argument("--class", nargs="+", dest="classes", default=(), metavar="NAME", help="default: all classes")
    parser.add_argument("--background", metavar="IMAGE|#RRGGBB", help="for replace, and under cut-outs (black)")
    parser.add_argument("--soft-edge", type=float, default=0.0, metavar="PX", help="width of soft edges (default: 0)")
    parser.add_argument("--blur-size", type=float, metavar="PX", help="of blur (default: 1/40 of the longest side)")
    parser.add_argument("--invert", action="store_true", help="swap inside and outside: blur the object itself")
    parser.add_argument("--longest-side", type=int, metavar="PX", help="shrink larger inputs to this first")
    parser.add_argument(
        "--network-side", type=int, metavar="PX", help="what the network sees, in place of model.resize"
    )
    parser.add_argument("--frame-rate", type=Fraction, metavar="N", help="drop frames beyond N a second")
    parser.add_argument("--mute", action="store_true", help="leave the sound out")
    parser.add_argument("--smoothing", type=float, default=0.0, metavar="0..1", help="weight of the previous frame")
    parser.add_argument("--folds", type=int, nargs="+", metavar="K", help="only these folds, for speed (default: all)")
    parser.add_argument("--tta", nargs="+", metavar="VIEW", help="further views, or none (default: as tuned)")
    parser.add_argument("--batch", type=int, metavar="N", help="pictures at once (default: inference.batch_size)")
    return parser.parse_args()


def request_of(args: argparse.Namespace) -> Request:
    """What the arguments ask for."""
    values = {field.name: getattr(args, field.name) for field in fields(Request)}
    views = None if args.tta is None else tuple(view for view in args.tta if view != "none")
    folds = None if args.folds is None else tuple(args.folds)
    return Request(
        **values | {"inputs": tuple(args.inputs), "classes": tuple(args.classes), "tta": views, "folds": folds}
    )


def main() -> None:
    """Predict."""
    args = parse_args()
    # Loaded here, so that --help and a misspelt option are handled at once.
    from maskfold.hub.opening import model_config
    from maskfold.stages.predict import predict

    if args.model is not None:
        if args.config != DEFAULT_CONFIG:
            raise UsageError("--model: stands for --run and --config; give one of them")
        args.config = model_config(args.model)
    predict(config_of(args), request_of(args))


if __name__ == "__main__":
    run_stage(main)
