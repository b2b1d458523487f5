"""Time one trained network in every runtime that this machine has, and compare the masks with those of torch in fp32.

Reads runs/<name>/fold<k>/model.pt and some test images. Writes reports/<name>.speed/: speed.csv, speed.md and
speed.png. Every backend runs in a process of its own; the processes take turns, so that noise hits all alike.
onnxruntime needs the packages of requirements-onnx.txt, OpenVINO those of requirements-speed.txt too.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from maskfold.artefacts.paths import RunPaths, resolve
from maskfold.command_line import add_run_argument, config_of, run_stage, stage_parser
from maskfold.execution.jobs import available_cores

EXAMPLES = """\
  python src/benchmark_inference.py --run demo
  python src/benchmark_inference.py --run magnetic_tile --fold 1 --size 256 320 --batch 4
  python src/benchmark_inference.py --run demo --backends torch torch-bf16 onnxruntime --seconds 2
  python src/benchmark_inference.py --random-weights Unet mobilenet_v2 --size 256 320     before anything is trained"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = stage_parser("Time one trained network in every runtime that this machine has.", EXAMPLES)
    add_run_argument(parser)
    parser.add_argument(
        "--random-weights", nargs=2, metavar=("ARCHITECTURE", "ENCODER"), help="measure this network, not a run's"
    )
    parser.add_argument("--classes", type=int, default=1, metavar="N", help="of --random-weights (default: 1)")
    parser.add_argument("--fold", type=int, default=0, metavar="K", help="which of the run's networks (default: 0)")
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("H", "W"), help="px, padded to multiples of 32 (default: the run's own)"
    )
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="measured after batch 1 (default: 8)")
    parser.add_argument("--backends", nargs="+", default=[], metavar="NAME", help="default: all that are here")
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto", help="auto: both where both are")
    parser.add_argument("--threads", type=int, default=available_cores(), metavar="N", help="on the CPU (default: all)")
    parser.add_argument("--images", type=int, default=32, metavar="N", help="that masks are compared on (default: 32)")
    parser.add_argument("--seconds", type=float, default=5, help="timed for each backend and batch size (default: 5)")
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="turns each of them takes (default: 10)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: reports/<name>.speed")
    return parser.parse_args()


def main() -> None:
    """Measure."""
    args = parse_args()
    # torch takes seconds to import, and --help does not need it.
    from maskfold.speed.availability import choose_backends, choose_devices
    from maskfold.speed.measuring import SpeedRequest
    from maskfold.speed.network import random_subject, trained_subject
    from maskfold.speed.rounds import Plan
    from maskfold.stages.benchmark_inference import measure_speed

    request = SpeedRequest(
        devices=choose_devices(args.device),
        backends=choose_backends(args.backends),
        size=None if args.size is None else tuple(args.size),
        batch=args.batch,
        images=args.images,
        threads=args.threads,
        plan=Plan(args.rounds, args.seconds),
    )
    with TemporaryDirectory() as scratch:
        if args.random_weights is None:
            config = config_of(args)
            subject, out = trained_subject(config, args.fold), RunPaths.of(config).speed
        else:
            subject = random_subject(args.random_weights, args.classes, Path(scratch))
            out = resolve("reports") / RunPaths.of(subject.config).speed.name
        measure_speed(subject, request, out if args.out is None else args.out.resolve())


if __name__ == "__main__":
    run_stage(main)
