"""Images per second of the real training loop, against a bare loop and against the plain way.

bare: the same network, loss, optimiser, precision and allocator on one batch that is already in memory: the limit.
plain: fp32, contiguous memory, default allocator, the usual dataset class that decodes every image again.
ours: `python src/train.py`, from the files on the disk to the checkpoint after every epoch; its first epoch and the
validated last one are left out. The sides take turns, each in a process of its own. Prints a table and one line of JSON
a claim; exits 1 when a claim does not hold.

    python benchmarks/training.py
    python benchmarks/training.py --config configs/people.yaml --set data.root=/data/people model.encoder_weights=null
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import albumentations as A
import cv2
import numpy as np
import pandas as pd
import segmentation_models_pytorch as smp
import torch
from claims import claim
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from maskfold.config import REPOSITORY, Config, load_config
from maskfold.data.competition import Competition
from maskfold.data.opening import open_competition
from maskfold.inference.runtime import Runtime
from maskfold.network.model import Outputs, build_model
from maskfold.training.losses import SegmentationLoss
from maskfold.training.samples.dataset import TrainingDataset
from maskfold.training.samples.sampling import ANY_CLASS, Draw

WARM_UP_STEPS = 6
BARE_BAR = 0.95  # of the bare loop; on a GPU, where loading competes with a faster network, 0.90
BARE_BAR_GPU = 0.90
PLAIN_BAR = 3.0
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": "268435456"}


def images_per_second(step: Callable[[], None], batch_size: int, seconds: float) -> float:
    """Of a training step repeated for about `seconds`, after a warm-up."""
    for _ in range(WARM_UP_STEPS):
        step()
    started, steps = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        step()
        steps += 1
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return steps * batch_size / (time.monotonic() - started)


def bare(config: Config, competition: Competition, seconds: float) -> float:
    """Images per second of the bare loop."""
    train, runtime = config.train, Runtime.of(config)
    dataset = TrainingDataset(competition.train, competition.masks, train, config.model, config.seed, 0)
    samples = [dataset[Draw(0, n, n % len(dataset), ANY_CLASS)] for n in range(train.batch_size)]
    pixels = torch.stack([sample.pixels for sample in samples]).permute(0, 3, 1, 2).to(runtime.device)
    masks = torch.stack([sample.masks for sample in samples]).permute(0, 3, 1, 2).to(runtime.device)
    model = build_model(config.model, len(competition.class_names)).to(runtime.device).train()
    loss_of = SegmentationLoss(train.loss).to(runtime.device)
    optimizer = torch.optim.AdamW(model.parameters(), train.learning_rate)

    def step() -> None:
        with runtime.autocast():
            loss = loss_of(model(pixels), masks)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), train.gradient_clip)
        optimizer.step()

    return images_per_second(step, train.batch_size, seconds)


class UsualDataset(Dataset[tuple[Tensor, Tensor]]):
    """The dataset class of the usual notebook: decode, resize, crop, flip, normalise to float32."""

    def __init__(self, config: Config, competition: Competition, crop_size: tuple[int, int]) -> None:
        self.rows = competition.train.reset_index(drop=True)
        self.masks = competition.masks
        resize = config.model.resize
        self.augment = A.Compose(
            [
                *([A.Resize(*resize.size)] if resize is not None and resize.size is not None else []),
                A.PadIfNeeded(*crop_size),
                A.RandomCrop(*crop_size),
                A.HorizontalFlip(),
                A.Affine(scale=(0.85, 1.2), translate_percent=(-0.06, 0.06), rotate=(-10, 10), p=0.5),
                A.RandomBrightnessContrast(),
                A.Normalize(),
                A.ToTensorV2(transpose_mask=True),
            ]
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        row = self.rows.iloc[index]
        image = cv2.imread(row["path"])
        assert image is not None
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        sample = self.augment(image=image, mask=np.ascontiguousarray(self.masks(row["image_id"]).transpose(1, 2, 0)))
        return sample["image"], sample["mask"].float()


def plain(config: Config, competition: Competition, seconds: float) -> float:
    """Images per second of the plain way."""
    train = config.train
    crop_size = TrainingDataset(competition.train, competition.masks, train, config.model, 0, 0).crop_sizes[0]
    data = UsualDataset(config, competition, crop_size)
    loader = DataLoader(data, train.batch_size, shuffle=True, num_workers=2, drop_last=True)
    device = Runtime.of(config).device
    model = smp.create_model(
        config.model.architecture,
        config.model.encoder,
        encoder_weights=None,
        classes=len(competition.class_names),
        **({} if config.model.decoder_channels is None else {"decoder_channels": config.model.decoder_channels}),
    ).to(device)
    loss_of = SegmentationLoss(train.loss).to(device)
    optimizer = torch.optim.Adam(model.parameters(), train.learning_rate)

    def endless() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from loader

    batches = endless()

    def step() -> None:
        pixels, masks = next(batches)
        loss = loss_of(Outputs(model(pixels.to(device)), None), masks.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return images_per_second(step, train.batch_size, seconds)


def ours(arguments: list[str], batch_size: int, epochs: int, steps: int) -> float:
    """Images per second of src/train.py on the first fold, from its history."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [
            f"output_root={folder}",
            f"train.epochs={epochs}",
            f"train.validate_every={epochs}",
            "train.early_stopping_patience=null",
            f"train.sampling.draws_per_epoch={steps * batch_size}",
        ]
        for stage, more in (("make_folds", []), ("train", ["--fold", "0"])):
            command = [sys.executable, f"src/{stage}.py", *arguments, "--set", *settings, *more]
            done = subprocess.run(command, cwd=REPOSITORY, env=os.environ | ALLOCATOR, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{stage} failed:\n{done.stdout}{done.stderr}")
        [history] = Path(folder).glob("runs/*/fold0/history.csv")
        seconds = pd.read_csv(history)["seconds"].iloc[1:-1]
    return float(steps * batch_size * len(seconds) / seconds.sum())


def measure(role: str, arguments: list[str], seconds: float) -> float:
    """Images per second of `bare` or `plain` in a process of its own."""
    command = [sys.executable, __file__, *arguments, "--role", role, "--seconds", str(seconds)]
    done = subprocess.run(
        command, env=os.environ | (ALLOCATOR if role == "bare" else {}), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{role} failed:\n{done.stdout}{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Measure all sides in turn and print the table and the claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/demo.yaml")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=40, help="of each measurement")
    parser.add_argument("--role", choices=["bare", "plain"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    config = load_config(args.config, args.set)
    if args.role is not None:
        side = {"bare": bare, "plain": plain}[args.role]
        print(json.dumps(side(config, open_competition(config.data), args.seconds)))
        return 0
    arguments = ["--config", args.config, *(["--set", *args.set] if args.set else [])]
    bares, ours_rates = [measure("bare", arguments, args.seconds)], []
    steps = max(4, round(bares[0] * args.seconds / config.train.batch_size))
    for _ in range(args.rounds):
        ours_rates.append(ours(arguments, config.train.batch_size, 3, steps))
        bares.append(measure("bare", arguments, args.seconds))
    plains = [measure("plain", arguments, args.seconds) for _ in range(2)]
    pairs = zip(ours_rates, bares[:-1], bares[1:], strict=True)
    of_bare = median(rate / ((before + after) / 2) for rate, before, after in pairs)
    of_plain = median(ours_rates) / max(plains)
    for name, rates in (("ours", ours_rates), ("bare", bares), ("plain", plains)):
        print(f"{name:<8}{median(rates):>8.1f} images/s   ({', '.join(f'{rate:.1f}' for rate in rates)})")
    bar = BARE_BAR_GPU if torch.cuda.is_available() else BARE_BAR
    holds = [
        claim("real training loop / bare loop, images a second", of_bare, bar, of_bare >= bar),
        claim("real training loop / plain way, images a second", of_plain, PLAIN_BAR, of_plain >= PLAIN_BAR),
    ]
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
