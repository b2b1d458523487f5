"""What each piece of training is worth: variants of one config, same folds, same epochs, several seeds.

Each variant changes one thing of the base. Half of the images train one network, the others score it, in three parts
for the honest score. All stages from folds to tuning run as a user runs them, into ablation/<variant>-<seed>/; what is
fresh is skipped, so that a stopped ablation continues. Prints a Markdown table: means over seeds, plus or minus half
their spread, of the score at threshold 0.5, tuned and honest, of the Dice where a class is shown (tuned, and at 0.5),
and of the honest score less that of the base with the same seed, hence the same folds. Ends with one line of JSON: no
variant beats the base by more than the noise; exits 1 when one does.

    python benchmarks/ablation.py --config configs/magnetic_tile.yaml --set data.root=/data/tiles --epochs 6 --jobs 2
    python benchmarks/ablation.py --only base Lovász --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
from claims import claim

from maskfold.config.loss import MASK_LOSSES

REPOSITORY = Path(__file__).resolve().parents[1]
STAGES = ("make_folds", "train", "predict_oof", "tune_thresholds")


def loss_of(*terms: str) -> tuple[str, ...]:
    """Overrides that leave these terms of the loss, with weight 1, whatever the config has."""
    return tuple(f"train.loss.{name}={int(name in terms)}" for name in MASK_LOSSES)


# Variant -> what it changes in the base, which is the config itself with fewer epochs, half of the images held out,
# and one view.
VARIANTS: dict[str, tuple[str, ...]] = {
    "base": (),
    "random encoder": ("model.encoder_weights=null",),
    "BCE": loss_of("bce"),
    "BCE + Dice": loss_of("bce", "dice"),
    "BCE + log-Dice": loss_of("bce", "log_dice"),
    "focal": loss_of("focal"),
    "Lovász": loss_of("lovasz"),
    "BCE + Lovász": loss_of("bce", "lovasz"),
    "geometric mean": loss_of("dice_cross_entropy"),
    "no sampling": (
        "train.sampling.non_empty_share=null",
        "train.sampling.class_balance=0.0",
        "train.sampling.defect_crop_share=0.0",
    ),
    "no classification head": ("model.classification_head=false",),
    "no EMA": ("train.ema_decay=null",),
    "TTA, four views": ("inference.tta=[hflip,vflip]",),
}


class Outcome(NamedTuple):
    """Scores of one run, means over classes."""

    default: float
    tuned: float
    honest: float
    where_shown_default: float
    where_shown_tuned: float


def folder_of(variant: str, seed: int) -> Path:
    """Where everything of one variant and seed lies."""
    return REPOSITORY / "ablation" / f"{variant.replace(' ', '_').replace('+', 'and')}-{seed}"


def run(variant: str, seed: int, arguments: list[str], cores: list[int]) -> Outcome:
    """Every stage of one variant and seed on some cores. Raises RuntimeError with the log of a stage that fails."""
    folder = folder_of(variant, seed)
    trained_as_base = all(setting.startswith("inference.") for setting in VARIANTS[variant])
    if variant != "base" and trained_as_base and not folder.exists() and folder_of("base", seed).exists():
        # The base of a seed comes long before; while it is still at work, its models are stale and made anew.
        shutil.copytree(folder_of("base", seed) / "runs", folder / "runs", symlinks=True)
    folder.mkdir(parents=True, exist_ok=True)
    overrides = [f"output_root={folder}", f"seed={seed}", *VARIANTS[variant]]
    for stage in STAGES:
        with (folder / f"{stage}.log").open("w") as log:
            command = [sys.executable, f"src/{stage}.py", *arguments, *overrides]
            done = subprocess.run(
                command, cwd=REPOSITORY, stdout=log, stderr=log, preexec_fn=lambda: os.sched_setaffinity(0, cores)
            )
        if done.returncode:
            raise RuntimeError(f"{variant}, seed {seed}: {stage} failed; see {folder / stage}.log")
    [artefact] = folder.glob("oof/*/postprocess.json")
    tuned = json.loads(artefact.read_text())
    scores = tuned["scores"]
    shown = {
        name: float(
            np.mean([value[name] for entry in tuned["classes"] if (value := entry["non_empty_dice"])[name] is not None])
        )
        for name in ("default", "tuned")
    }
    return Outcome(scores["default"], scores["tuned"], scores["honest"], shown["default"], shown["tuned"])


def main() -> int:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/magnetic_tile.yaml")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each with its share of the cores")
    args = parser.parse_args()
    settings = [
        *args.set,
        "folds.kind=hold_out",
        "folds.share=0.5",
        "folds.count=3",
        "inference.tta=[]",
        f"train.epochs={args.epochs}",
        "train.then=[]",
        f"train.validate_every={args.epochs}",
    ]
    arguments = ["--config", args.config, "--set", *settings]
    available = sorted(os.sched_getaffinity(0))
    shares: SimpleQueue[list[int]] = SimpleQueue()
    for part in np.array_split(available, args.jobs):
        shares.put(part.tolist())

    def one(job: tuple[str, int]) -> Outcome:
        variant, seed = job
        cores = shares.get()
        try:
            outcome = run(variant, seed, arguments, cores)
        finally:
            shares.put(cores)
        print(f"{variant}, seed {seed}: honest {outcome.honest:.4f}", file=sys.stderr, flush=True)
        return outcome

    jobs = [(variant, seed) for seed in args.seeds for variant in args.only]
    with ThreadPoolExecutor(args.jobs) as pool:
        outcomes = dict(zip(jobs, pool.map(one, jobs), strict=True))
    values = {variant: np.array([outcomes[variant, seed] for seed in args.seeds]) for variant in args.only}
    honest = {variant: rows[:, Outcome._fields.index("honest")] for variant, rows in values.items()}
    gains = {variant: scores - honest["base"] for variant, scores in honest.items()} if "base" in honest else {}
    print(f"| variant | {' | '.join(Outcome._fields)} | honest less base |".replace("_", " "))
    print("|---|" + "---:|" * (len(Outcome._fields) + 1))
    for variant, rows in values.items():
        cells = [f"{column.mean():.4f} ± {np.ptp(column) / 2:.4f}" for column in rows.T]
        gain = gains.get(variant)
        cells.append("" if gain is None else f"{gain.mean():+.4f} ± {np.ptp(gain) / 2:.4f}")
        print(f"| {variant} | {' | '.join(cells)} |")
    if not gains:
        return 0
    noise = max(float(np.ptp(gain)) / 2 for gain in gains.values())
    lead = -max(float(gain.mean()) for gain in gains.values())
    return 0 if claim("honest score of the base minus the best variant", lead, -noise, lead >= -noise) else 1


if __name__ == "__main__":
    sys.exit(main())
