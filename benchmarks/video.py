"""A video through predict.py against the bare networks on the same frames; its frames, sound and masks; its memory.

bare: the networks on all views of the frames that are already in memory, nothing else: the limit.
ours: predict_video with the effect blur: reading, resizing, networks, views, rules, drawing, writing, sound.
The sides take turns in one process. masks: each frame of the video against the same frame as a photo, one at a time.
memory: the whole of predict.py on a short and a long video, in processes of their own. The video is a moving ball of
320x240 px with a tone; without --run the networks have random weights. Prints a table and one line of JSON a claim;
exits 1 when a claim does not hold.

    python benchmarks/video.py                                ten seconds, the networks of configs/people.yaml
    python benchmarks/video.py --run people                   with trained weights
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from itertools import islice
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import cv2
import numpy as np
import torch
from claims import claim

from maskfold.config import Config, load_config
from maskfold.config.loading import run_config
from maskfold.execution.memory import peak_memory_mb
from maskfold.inference.tta import tta_views
from maskfold.media.checks import effect_of
from maskfold.media.photos import encode_photo
from maskfold.media.pipeline import groups
from maskfold.media.predictor import Predictor
from maskfold.media.request import Request
from maskfold.media.sources import Source
from maskfold.media.targets import Task
from maskfold.media.video_prediction import predict_video
from maskfold.media.video_reading import open_video
from maskfold.rules.rules import ComponentRule
from maskfold.stages.predict import predict
from maskfold.submission.usable_rules import checked_artefact
from support.random_run import write_rules, write_weights
from support.synthetic_video import make_video, read_frames, read_sound

SPEED_BAR = 0.80
MEMORY_BAR = 1.10
SIZE, RATE = (320, 240), 25


def bare_seconds(predictor: Predictor, clip: Path) -> float:
    """Seconds of the networks alone on all views of all frames, which are in memory."""
    with open_video(clip) as source:
        pictures = list(source.pictures(predictor.channels, None, None))
    batches = [predictor.prepare(group) for group in groups(pictures, predictor)]
    started = time.monotonic()
    for prepared in batches:
        for ensemble, batch in zip(predictor.ensemble.members, prepared, strict=True):
            pixels = batch.pixels.to(ensemble.runtime.device)
            views = tta_views(ensemble.inference.tta, (pixels.shape[2], pixels.shape[3]))
            with torch.inference_mode(), ensemble.runtime.autocast():
                for _ in views:
                    for model in ensemble.models:
                        model(pixels)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic() - started


def speed(config: Config, clip: Path, out: Path, frames: int, rounds: int) -> float:
    """Frames a second of ours over those of the bare networks around it."""
    request = Request((str(clip),), effect="blur", overwrite=True)
    tuned = checked_artefact(config)
    predictor = Predictor(config, tuned, request)
    task = Task(Source(clip, "video"), out, "mp4")
    bare_seconds(predictor, clip)
    bares, ours = [bare_seconds(predictor, clip)], []
    for _ in range(rounds):
        started = time.monotonic()
        predict_video(task, predictor, effect_of(request, tuned.classes), request)
        ours.append(time.monotonic() - started)
        bares.append(bare_seconds(predictor, clip))
    for name, seconds in (("ours", ours), ("bare", bares)):
        rates = [frames / value for value in seconds]
        print(f"{name:<8}{median(rates):>8.2f} frames/s   ({', '.join(f'{rate:.2f}' for rate in rates)})", flush=True)
    return median((before + after) / 2 / own for own, before, after in zip(ours, bares[:-1], bares[1:], strict=True))


def differing_masks(config: Config, clip: Path, folder: Path, count: int) -> int:
    """Pixels in which the masks of the first frames differ between the video and the same frames as photos."""
    photos = folder / "frames"
    photos.mkdir()
    with open_video(clip) as source:
        for number, picture in enumerate(islice(source.pictures(3, None, None), count), 1):
            (photos / f"{number:06d}.png").write_bytes(encode_photo(picture.shown, "png"))
    predict(config, Request((str(clip),), effect="mask", video_format="png", output=folder / "masks"))
    predict(config, Request((str(photos),), effect="mask", output=folder / "photos", batch=1))
    of_video = sorted((folder / "masks" / f"{clip.stem}_mask").iterdir())[:count]
    pairs = zip(of_video, sorted((folder / "photos").iterdir()), strict=True)
    return sum(int(np.count_nonzero(_read(one) != _read(other))) for one, other in pairs)


def _read(path: Path) -> np.ndarray:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def peak_mb(arguments: list[str], clip: Path, out: Path) -> float:
    """Peak resident memory of predict.py on a video, MB."""
    command = [sys.executable, __file__, *arguments, "--role", "memory", "--clip", str(clip), "--out", str(out)]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"memory failed:\n{done.stdout}{done.stderr}")
    return float(done.stdout.splitlines()[-1])


def memory(config: Config, clip: Path, out: Path) -> float:
    """Peak resident memory of this process after predicting a video, MB."""
    predict(config, Request((str(clip),), effect="blur", output=out, overwrite=True, folds=(0,), tta=()))
    return peak_memory_mb()


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="a trained and tuned run (default: random weights for configs/people.yaml)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--frames", type=int, default=10 * RATE)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mask-frames", type=int, default=25, help="compared with photos")
    parser.add_argument("--memory-frames", type=int, nargs=2, default=[10 * RATE, 40 * RATE])
    parser.add_argument("--role", choices=["memory"], help=argparse.SUPPRESS)
    parser.add_argument("--clip", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Measure the sides in turn and print the table and the claims."""
    args = parse_args()
    name = args.run or "people"
    if args.role is not None:
        print(memory(load_config(run_config(name), args.set), args.clip, args.out))
        return 0
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        settings = args.set if args.run else [*args.set, f"output_root={folder}", "model.encoder_weights=null"]
        config = load_config(run_config(name), settings)
        if not args.run:
            write_weights(config)
            # Rules that find something in what random networks predict.
            write_rules(config, [ComponentRule(threshold=128, min_area_px=64)] * len(config.data.class_names or ()))
        clip, out = make_video(folder / "clip.mp4", args.frames, SIZE, RATE), folder / "out.mp4"
        ratio = speed(config, clip, out, args.frames, args.rounds)
        times = [Fraction(time).limit_denominator(1000) for _, time in read_frames(out)]
        before, after = read_sound(clip), read_sound(out)
        lost = float(np.abs(before - after).max()) if before.shape == after.shape else 1.0
        differing = differing_masks(config, clip, folder, args.mask_frames)
        arguments = [*(["--run", args.run] if args.run else []), *(["--set", *settings] if settings else [])]
        clips = [make_video(folder / f"memory{count}.mp4", count, SIZE, RATE) for count in args.memory_frames]
        peaks = [peak_mb(arguments, path, folder / f"{path.stem}_out.mp4") for path in clips]
    for count, peak in zip(args.memory_frames, peaks, strict=True):
        print(f"memory  {peak:>8.0f} MB at {count} frames", flush=True)
    on_time = times == [Fraction(number, RATE) for number in range(args.frames)]
    growth = peaks[1] / peaks[0]
    holds = [
        claim("video to blurred video / bare networks, frames a second", ratio, SPEED_BAR, ratio >= SPEED_BAR),
        claim("frames written, each at its time", len(times), args.frames, on_time),
        claim("largest difference of a sound sample", lost, 0, lost == 0),
        claim("mask pixels that differ from those of the frames as photos", differing, 0, differing == 0),
        claim(f"peak memory, {args.memory_frames} frames, last / first", growth, MEMORY_BAR, growth <= MEMORY_BAR),
    ]
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
