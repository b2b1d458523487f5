"""How well the label audit finds faults that were planted, and what leaving them out does to the honest score.

plant: copies the labels of a competition of binary mask folders with seeded faults (swollen, shifted, with blobs, with
missing parts, emptied) into a folder of the same layout, its photos linked, and writes planted.csv: what was done.

    python benchmarks/label_audit.py plant --config configs/people.yaml --out /tmp/planted
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import cv2
import numpy as np
import pandas as pd
from planted_faults import draw_kinds, planted

from maskfold.config import MaskFoldersData, load_config
from maskfold.data.competition import Competition
from maskfold.data.mask_files import FileMasks
from maskfold.data.reading import open_competition


def plant(args: argparse.Namespace) -> int:
    """Make the copy."""
    config = load_config(args.config, args.set)
    data = config.data
    if not isinstance(data, MaskFoldersData) or len(data.class_names) > 1 or data.valid_images is not None:
        sys.exit("plant wants data.format: mask_folders with one class and no validation folders")
    if args.out.exists() and any(args.out.iterdir()):
        sys.exit(f"{args.out} is not empty; name a new folder")
    competition = open_competition(data)
    for folder, table in ((data.train_images, competition.train), (data.test_images, competition.test)):
        if folder is not None:
            (args.out / folder).mkdir(parents=True, exist_ok=True)
            for path in map(Path, table["path"]):
                (args.out / folder / path.name).symlink_to(path.resolve())
    done = plant_masks(competition, args.out / data.train_masks, args.share, args.seed)
    done.to_csv(args.out / "planted.csv", index=False, lineterminator="\n")
    print(done["kind"].value_counts().to_string())
    print(f"{len(done)} of {len(competition.train)} masks are faulty; set data.root={args.out} to train on them")
    return 0


def plant_masks(competition: Competition, folder: Path, share: float, seed: int) -> pd.DataFrame:
    """Write every mask, a share of them with a fault; returns image_id, kind and the changed share of the image."""
    assert isinstance(competition.masks, FileMasks)
    folder.mkdir(parents=True)
    files = {image_id: Path(str(own[0])) for image_id, own in competition.masks.files.items()}
    ids = list(competition.train["image_id"])
    rng = np.random.default_rng(seed)
    rows = []
    for index, kind in draw_kinds(len(ids), share, rng):
        mask = competition.masks(ids[index])[0]
        faulty = planted(mask, kind, rng)
        if faulty is not None:
            cv2.imwrite(str(folder / files[ids[index]].name), faulty * np.uint8(255))
            rows.append((ids[index], kind, round(float((faulty != mask).mean()), 4)))
    for image_id in set(ids) - {row[0] for row in rows}:
        shutil.copyfile(files[image_id], folder / files[image_id].name)
    return pd.DataFrame(rows, columns=["image_id", "kind", "changed_share"])


def main() -> int:
    """Run the part of the benchmark that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    planting = parts.add_parser("plant", help="make a copy of the labels with faults")
    planting.add_argument("--config", type=Path, required=True)
    planting.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    planting.add_argument("--out", type=Path, required=True, help="a new folder, the data.root of the copy")
    planting.add_argument("--share", type=float, default=0.1, help="of the masks that get a fault")
    planting.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    return plant(args)


if __name__ == "__main__":
    sys.exit(main())
