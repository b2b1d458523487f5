"""How well the label audit finds faults that were planted, and what leaving them out does to the honest score.

plant: copies the labels of a competition of binary mask folders with seeded faults (swollen, shifted, with blobs, with
missing parts, emptied) into a folder of the same layout, its photos linked, and writes planted.csv: what was done.

    python benchmarks/label_audit.py plant --config configs/people.yaml --out /tmp/planted

score: after the stages train and predict_oof were run on that copy, audits it and prints how well the ranking finds
what was planted, one line of JSON a claim; exits 1 when one does not hold.

    python benchmarks/label_audit.py score --config configs/people.yaml --set data.root=/tmp/planted output_root=/tmp/a

compare: the honest scores of two runs, trained with and without the excluded labels, on the untouched labels that the
config names. Both are tuned on those labels, each fold with the rule chosen on the others.

    python benchmarks/label_audit.py compare --config configs/people.yaml --before /tmp/a --after /tmp/b
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import cv2
import numpy as np
import pandas as pd
from claims import claim
from planted_faults import FAULTS, draw_kinds, planted
from sklearn.metrics import roc_auc_score

from maskfold.artefacts.paths import RunPaths
from maskfold.audit.labels.ranking import FINE, PILES
from maskfold.config import Config, MaskFoldersData, load_config
from maskfold.data.competition import Competition
from maskfold.data.formats.mask_files import FileMasks
from maskfold.data.opening import open_competition
from maskfold.stages.audit_labels import audit_labels
from maskfold.stages.tune_thresholds import tune

AUROC, PRECISION = 0.95, 0.9  # the bars, of the whole ranking and among its first twentieth, …
AUROC_OF_A_KIND = 0.9  # … and of each kind of fault
REASONS = {
    "swollen": ("swollen edge",),
    "shifted": ("shifted edge",),
    "stray_blob": ("stray blob",),
    "missing_part": ("missing part", "missing object"),
    "emptied": ("empty by mistake",),
}


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


def score(args: argparse.Namespace) -> int:
    """Audit the planted labels, and compare the ranking with what was done."""
    config = load_config(args.config, args.set)
    competition = open_competition(config.data)
    audit_labels(config, competition)
    table = read_table(RunPaths.of(config).label_audit / "labels.csv")
    images = table.sort_values("score", ascending=False, kind="stable").drop_duplicates("image_id", ignore_index=True)
    done = read_table(args.planted or Path(config.data.root) / "planted.csv")
    images["kind"] = images["image_id"].map(dict(zip(done["image_id"], done["kind"], strict=True))).fillna("")
    print(kind_table(images).to_string(index=False, na_rep="-"), flush=True)
    faulty = images["kind"] != ""
    top = round(0.05 * len(images))
    precision = float(faulty[:top].mean())
    ours, cleanlab = (auroc(images, column) for column in ("score", "distrust"))
    name = f"{config.name}, {int(faulty.sum())} of {len(images)} labels planted"
    holds = [
        claim(f"{name}: AUROC of the ranking", ours, AUROC, ours >= AUROC),
        claim(f"{name}: precision among the {top} most suspicious (5 %)", precision, PRECISION, precision >= PRECISION),
        claim(f"{name}: AUROC above that of cleanlab's score on the same maps", ours, cleanlab, ours > cleanlab),
    ]
    for kind in FAULTS:
        found = auroc(images[(images["kind"] == kind) | ~faulty], "score")
        holds.append(claim(f"{name}: AUROC of {kind} labels", found, AUROC_OF_A_KIND, found >= AUROC_OF_A_KIND))
    return 0 if all(holds) else 1


def read_table(path: Path) -> pd.DataFrame:
    """A csv with image ids as text; `distrust` is 1 - label_quality where there is that."""
    table = pd.read_csv(path, dtype={"image_id": str}, keep_default_na=False)
    return table.assign(distrust=1 - table["label_quality"]) if "label_quality" in table else table


def auroc(images: pd.DataFrame, column: str) -> float:
    """How often a planted label ranks above another one."""
    return float(roc_auc_score(images["kind"] != "", images[column]))


def kind_table(images: pd.DataFrame) -> pd.DataFrame:
    """One row a kind of fault, and one of the labels left alone: the piles they are on, and the reasons given."""
    rows = []
    for kind in [*FAULTS, ""]:
        own = images[images["kind"] == kind]
        piles = {pile: int((own["pile"] == pile).sum()) for pile in PILES}
        rest = images[(images["kind"] == kind) | (images["kind"] == "")]
        row: dict[str, object] = {"kind": kind or "(not planted)", "labels": len(own), **piles}
        if kind:
            row |= {
                "AUROC": round(auroc(rest, "score"), 4),
                "AUROC cleanlab": round(auroc(rest, "distrust"), 4),
                "recall": round(float((own["pile"] != FINE).mean()), 3),
                "right reason": round(float(own["reason"].isin(REASONS[kind]).mean()), 3),
            }
        rows.append(row)
    suspects = images[images["pile"] != FINE]
    print(f"precision of the {len(suspects)} that are not fine: {(suspects['kind'] != '').mean():.3f}")
    return pd.DataFrame(rows)


def compare(args: argparse.Namespace) -> int:
    """The honest score of two runs of one config on the same, untouched labels."""
    scores = []
    for root in (args.before, args.after):
        with tempfile.TemporaryDirectory() as folder:
            scores.append(honest_scores(args, root.resolve(), Path(folder)))
    before, after = (table.set_index(["image_id", "class_name"])["honest_score"] for table in scores)
    gain = (after - before.reindex(after.index)).dropna()
    if len(gain) != len(before):
        print(f"{len(before)} labels before and {len(after)} after; the {len(gain)} in both are compared")
    error = float(gain.std() / np.sqrt(len(gain)))
    print(f"honest before {before[gain.index].mean():.5f}, after {after[gain.index].mean():.5f}")
    print(f"gain {gain.mean():+.5f}, 95 % of {gain.mean() - 1.96 * error:+.5f} to {gain.mean() + 1.96 * error:+.5f}")
    text = f"honest gain on {len(gain)} untouched labels by training without the excluded ones"
    return 0 if claim(text, float(gain.mean()), 0.0, gain.mean() > 0) else 1


def honest_scores(args: argparse.Namespace, root: Path, folder: Path) -> pd.DataFrame:
    """Tune a run's OOF anew on the labels of the config, in a folder beside: image_scores.csv."""
    overrides = [*args.set, f"output_root={folder}"]
    config = load_config(args.config, overrides)
    theirs = RunPaths.of(load_config(args.config, [*args.set, f"output_root={root}"]))
    ours = RunPaths.of(config)
    for source, target in zip(files_of(config, theirs), files_of(config, ours), strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    tune(config, open_competition(config.data))
    return read_table(ours.image_scores_csv)


def files_of(config: Config, paths: RunPaths) -> list[Path]:
    """What tuning reads of a run: its folds and its OOF."""
    return [paths.folds_csv] + [paths.oof_parquet(fold) for fold in range(config.folds.count)]


def main() -> int:
    """Run the part of the benchmark that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    planting = parts.add_parser("plant", help="make a copy of the labels with faults")
    planting.add_argument("--out", type=Path, required=True, help="a new folder, the data.root of the copy")
    planting.add_argument("--share", type=float, default=0.1, help="of the masks that get a fault")
    planting.add_argument("--seed", type=int, default=0)
    planting.set_defaults(run=plant)
    scoring = parts.add_parser("score", help="audit the copy and compare with what was planted")
    scoring.add_argument("--planted", type=Path, help="the csv that plant wrote (default: planted.csv below data.root)")
    scoring.set_defaults(run=score)
    comparing = parts.add_parser("compare", help="the honest scores of two runs on untouched labels")
    comparing.add_argument("--before", type=Path, required=True, help="output_root of the run with all labels")
    comparing.add_argument("--after", type=Path, required=True, help="output_root of the run without some")
    comparing.set_defaults(run=compare)
    for part in (planting, scoring, comparing):
        part.add_argument("--config", type=Path, required=True)
        part.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    return int(args.run(args))


if __name__ == "__main__":
    sys.exit(main())
