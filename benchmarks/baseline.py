"""The plain notebook recipe beside ours: same images, same hold-out, same seconds of training.

Plain: smp's network of the config with the same pretrained encoder, Dice loss, Adam at 1e-3, images resized to 224x224,
flips, one hold-out, threshold 0.5. It trains for as long as our first model took (its history says) on the same
training images, and both predict the images which that model has not seen. Ours is scored from its OOF: at threshold
0.5, and with rules tuned on other images than those they are scored on. The run must be trained and tuned first; a
hold-out (folds.kind=hold_out) needs one model only. Prints a table and one line of JSON a claim; exits 1 when one does
not hold.

    bash run_all.sh configs/people.yaml && python benchmarks/baseline.py --config configs/people.yaml
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

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

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config, load_config
from maskfold.data.competition import MaskSource
from maskfold.data.opening import open_competition
from maskfold.folds.table import read_folds
from maskfold.folds.visibility import held_out
from maskfold.inference.runtime import Runtime
from maskfold.network.model import build_model
from maskfold.pixels.metrics import mask_areas, scores

SIZE = 224  # px, the notebooks' square
BATCH_SIZE = 16
LEARNING_RATE = 1e-3


class NotebookDataset(Dataset[tuple[Tensor, Tensor]]):
    """Images and masks resized to a square and flipped."""

    def __init__(self, images: pd.DataFrame, masks: MaskSource) -> None:
        self.images, self.masks = images.reset_index(drop=True), masks
        self.augment = A.Compose([A.Resize(SIZE, SIZE), A.HorizontalFlip(), A.Normalize(), A.ToTensorV2()])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        row = self.images.iloc[index]
        masks = np.ascontiguousarray(self.masks(row["image_id"]).transpose(1, 2, 0))
        sample = self.augment(image=read_rgb(row["path"]), mask=masks)
        return sample["image"], sample["mask"].permute(2, 0, 1).float()


def read_rgb(path: str) -> np.ndarray:
    """(H, W, 3) uint8."""
    image = cv2.imread(path)
    assert image is not None, path
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def train_plain(
    config: Config, images: pd.DataFrame, masks: MaskSource, classes: int, seconds: float
) -> torch.nn.Module:
    """The plain network after `seconds` of training."""
    torch.manual_seed(config.seed)
    # The encoder's weights are what both sides share; everything else is the notebook's.
    network = smp.create_model(config.model.architecture, config.model.encoder, encoder_weights=None, classes=classes)
    pretrained = build_model(config.model, classes).network.encoder
    assert isinstance(pretrained, torch.nn.Module)
    network.encoder.load_state_dict(pretrained.state_dict())
    device = Runtime.of(config).device
    network = network.to(device).train()
    loss_of = smp.losses.DiceLoss(smp.losses.MULTILABEL_MODE)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    loader = DataLoader(NotebookDataset(images, masks), BATCH_SIZE, shuffle=True, num_workers=2, drop_last=True)
    started, epoch = time.monotonic(), 0
    while True:
        for pixels, truth in loader:
            loss = loss_of(network(pixels.to(device)), truth.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if time.monotonic() - started > seconds:
                return network.eval()
        epoch += 1
        print(f"  plain, epoch {epoch}: {time.monotonic() - started:.0f} of {seconds:.0f} s", flush=True)


def plain_areas(network: torch.nn.Module, images: pd.DataFrame, masks: MaskSource) -> np.ndarray:
    """(images, classes, 3) int64: intersection, predicted and true area of every mask at threshold 0.5."""
    prepare = A.Compose([A.Resize(SIZE, SIZE), A.Normalize(), A.ToTensorV2()])
    device = next(network.parameters()).device
    areas = []
    with torch.inference_mode():
        for row in images.itertuples():
            pixels = prepare(image=read_rgb(str(row.path)))["image"][None].to(device)
            truth = masks(str(row.image_id))
            prob = network(pixels).sigmoid()
            prob = torch.nn.functional.interpolate(prob, truth.shape[1:], mode="bilinear")[0].cpu().numpy()
            areas.append([mask_areas(p >= 0.5, t) for p, t in zip(prob, truth, strict=True)])
    return np.array(areas)


def scores_of(areas: np.ndarray, metric: str) -> tuple[float, float]:
    """(mean over classes of the metric, the same over the images that show the class)."""
    means, shown = [], []
    for index in range(areas.shape[1]):
        of_images, true_area = scores(metric, *areas[:, index].T), areas[:, index, 2]
        means.append(of_images.mean())
        if true_area.any():
            shown.append(of_images[true_area > 0].mean())
    return float(np.mean(means)), float(np.mean(shown))


def our_scores(config: Config, image_ids: pd.Series) -> dict[str, tuple[float, float]]:
    """The same two figures of ours on some images: at the default and honest, from the tuning's table of images."""
    table = pd.read_csv(RunPaths.of(config).image_scores_csv, dtype={"image_id": str, "class_name": str})
    table = table[table["image_id"].isin(image_ids)]
    result = {}
    for name in ("default", "honest"):
        of_class = table.groupby("class_name")[f"{name}_score"].mean()
        shown = table[table["true_area"] > 0].groupby("class_name")[f"{name}_score"].mean()
        result[name] = (float(of_class.mean()), float(shown.mean()))
    return result


def main() -> int:
    """Train the plain recipe, score both sides on the same images, print the table and the claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/demo.yaml")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    config = load_config(args.config, args.set)
    competition = open_competition(config.data)
    folds = read_folds(config, competition)
    unseen = competition.train["image_id"].isin(folds["image_id"][held_out(folds, config.folds, model=0)])
    seconds = float(pd.read_csv(RunPaths.of(config).history_csv(0))["seconds"].sum())
    ours = our_scores(config, competition.train["image_id"][unseen])
    classes = len(competition.class_names)
    network = train_plain(config, competition.train[~unseen], competition.masks, classes, seconds)
    areas = plain_areas(network, competition.train[unseen], competition.masks)
    empty = areas * np.array([0, 0, 1])
    rows = {
        "all empty": scores_of(empty, config.tuning.metric),
        "plain recipe, threshold 0.5": scores_of(areas, config.tuning.metric),
        "ours, threshold 0.5": ours["default"],
        "ours, tuned on other images": ours["honest"],
    }
    print(f"{unseen.sum()} images that neither has seen, {seconds:.0f} s of training each")
    print(f"{'':<34}{config.tuning.metric:>12}{'where shown':>16}")
    for name, (metric, non_empty) in rows.items():
        print(f"{name:<34}{metric:>12.4f}{non_empty:>16.4f}")
    plain, honest = rows["plain recipe, threshold 0.5"], rows["ours, tuned on other images"]
    gains = honest[0] - plain[0], honest[1] - plain[1]
    holds = [
        claim(f"{config.name}: ours minus the plain recipe, {config.tuning.metric}", gains[0], 0.0, gains[0] > 0),
        claim(f"{config.name}: ours minus the plain recipe, where shown", gains[1], 0.0, gains[1] > 0),
    ]
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
