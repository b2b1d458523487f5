"""Peak memory of the tuning stage at several numbers of images, each in a fresh process.

  python benchmarks/tuning_memory.py --images 500 2000

Writes an OOF store of simulated predictions, as prediction would, and runs the stage
on it, as `src/tune_thresholds.py` would. Reads ../shared/data/severstal_labels (or --labels).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import pandas as pd
from severstal_oof import CLASSES, HEIGHT, WIDTH, SeverstalOof

from maskfold.artefacts.paths import RunPaths
from maskfold.config import REPOSITORY, Config
from maskfold.data.competition import Competition
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.execution.memory import peak_memory_mb
from maskfold.oof.store import OofWriter
from maskfold.stages.tune_thresholds import tune

LABELS = REPOSITORY.parent / "shared/data/severstal_labels"


def simulated_config(folder: Path) -> Config:
    """A run below `folder` that is tuned as shipped."""
    names = tuple(str(number + 1) for number in range(CLASSES))
    data = {"format": "rle_csv", "root": str(folder), "class_names": names}
    return Config.model_validate({"name": "simulated", "output_root": str(folder), "data": data})


def simulated_competition(source: SeverstalOof, images: int) -> Competition:
    """The first images of the simulated OOF and their truth."""
    train = pd.DataFrame({"image_id": [f"{index:05d}" for index in range(images)]})
    train = train.assign(path="", height=HEIGHT, width=WIDTH)
    names = simulated_config(Path()).data.class_names or ()
    return Competition(names, train, train.iloc[:0], lambda image_id: source.truth(int(image_id)))


def write_oof(config: Config, source: SeverstalOof, images: int) -> None:
    """The OOF store of the first images."""
    with ExitStack() as stack:
        paths = [RunPaths.of(config).oof_parquet(fold) for fold in range(config.folds.count)]
        writers = [stack.enter_context(OofWriter(path, CLASSES)) for path in paths]
        for labelled in map_threads(source.image, range(images), available_cores()):
            writers[labelled.oof.fold].write(labelled.oof.image_id, labelled.oof.fold, labelled.oof.prob)


def stage_peaks_mb(labels: Path, sizes: Sequence[int]) -> list[float]:
    """Peak resident memory of the stage on the first images of the simulated OOF, MB, for each number of them."""
    source = SeverstalOof(labels)
    _stage_peak_mb(source, labels, 10)  # compiles, which takes memory of its own
    peaks = []
    for images in sizes:
        peaks.append(_stage_peak_mb(source, labels, images))
        print(f"  {images:6d} images: the stage in a process of its own, peak {peaks[-1]:.0f} MB", flush=True)
    return peaks


def _stage_peak_mb(source: SeverstalOof, labels: Path, images: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        write_oof(simulated_config(Path(folder)), source, images)
        command = [sys.executable, __file__, "--labels", str(labels), "--images", str(images), "--tune", folder]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(output.split()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--labels", type=Path, default=LABELS)
    parser.add_argument("--tune", type=Path, metavar="FOLDER", help="run the stage on the store in this folder")
    args = parser.parse_args()
    if args.tune is None:
        stage_peaks_mb(args.labels, args.images)
    else:
        tune(simulated_config(args.tune), simulated_competition(SeverstalOof(args.labels), args.images[0]))
        print(peak_memory_mb())


if __name__ == "__main__":
    main()
