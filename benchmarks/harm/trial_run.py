"""A tiny finished run of the demo, copied for every trial, and what a trial left of it."""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
import random
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harm.children import Ending, finish, start
from maskfold.artefacts.code_version import DECIDED_BY, code_version
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment
from maskfold.export import bundle
from maskfold.export.bundle import needed_versions
from maskfold.export.dependencies import package_of
from maskfold.stages.export_bundle import export_bundle
from maskfold.stages.make_demo_data import make_demo_data
from support.finished_run import STAGES, run_stages, tiny_config

FOLDERS = ("folds", "runs", "oof", "submissions", "exports")
NAMES = tuple(STAGES)
EXPORT = "export_bundle"
_CLASSES = ("1", "2")  # of the demo's four, so that a trial takes half the time
_ALLOWED_MORE = (".previous", ".changed.csv", ".lock", "tfevents", "hparams.yaml", ".ckpt", ".made.json")
_PREDICT = Path(bundle.__file__).parent / "bundle_files" / "predict.py"


@dataclass(frozen=True)
class TrialRun:
    """A finished run and the folder in which copies of it are harmed.

    kept: the finished run; work: the copy; seconds: stage -> how long it takes from nothing.
    """

    kept: Path
    work: Path
    seconds: dict[str, float]

    @classmethod
    def make(cls, folder: Path) -> TrialRun:
        """Run every stage once. Raises RuntimeError with the output if one fails."""
        trial = cls(folder / "kept", folder / "work", {})
        trial.kept.mkdir()
        _draw_data(trial.config(trial.kept))
        for names in (list(NAMES), [EXPORT]):
            ending = trial.run(names, trial.kept)
            if ending.code != 0:
                raise RuntimeError(f"{names} failed:\n{ending.text}")
        _load_all(trial)
        return trial

    def config(self, root: Path | None = None) -> Experiment:
        """The config of the copy, or of the run below `root`; the data are shared."""
        place = str(self.work if root is None else root)
        model = {"encoder": "tu-test_efficientnet", "decoder_channels": (8, 8, 8, 8, 8)}
        data = {"class_names": _CLASSES}
        found: Experiment = tiny_config(self.kept, model=model, data=data).with_changes(
            lambda _: {"output_root": place}
        )
        return found

    def stages(self, names: list[str], root: Path | None = None) -> Callable[[], object]:
        """What runs some stages."""

        return lambda: self.run_here(names, self.config(root))

    def run_here(self, names: list[str], config: Experiment) -> None:
        """Run some stages in this process."""
        if names == [EXPORT]:
            export_bundle(config, _bundle(Path(config.output_root)), overwrite=True)
        else:
            run_stages(config, *names)

    def run(self, names: list[str], root: Path | None = None) -> Ending:
        """Run some stages in one process."""
        log = self.kept.with_name("log")
        return finish(start(self.stages(names, root), log), log)

    def check_bundle(self) -> Ending:
        """Let a bundle check itself, as its predict.py does first."""
        log = self.kept.with_name("log")
        return finish(start(lambda: _check(_bundle(self.work)), log), log)

    def restore(self, exports: bool = True) -> None:
        """Make the copy whole again; exports: the bundle too, which is many files."""
        shutil.rmtree(self.work, ignore_errors=True)
        for name in (*FOLDERS[: None if exports else -1], "reports"):
            shutil.copytree(self.kept / name, self.work / name, symlinks=True)

    def files(self, folder: str) -> list[Path]:
        """All files below a folder of the copy that can be harmed."""
        found = (self.work / folder).rglob("*")
        return sorted(path for path in found if path.is_file() and ".locks" not in path.parts)

    def without(self, stage: str) -> None:
        """Remove from the copy what a stage makes."""
        paths = RunPaths.of(self.config())
        made = {
            "make_folds": [paths.folds_csv],
            "train": [paths.training(0), paths.training(1)],
            "predict_oof": [paths.oof_parquet(0), paths.oof_parquet(1)],
            "tune_thresholds": [paths.postprocess_json, paths.study_sqlite, paths.oof / "tables"],
            "make_submission": [paths.submission("image_class_id"), paths.submission_shards],
            "make_report": [paths.report],
            EXPORT: [_bundle(self.work)],
        }
        for path in made[stage]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def differing(self) -> list[str]:
        """Which of folds, weights, OOF, rules, scores, submission and bundle are not those of the finished run."""
        now = _hashes(self.work, self)
        return [name for name, digest in _hashes(self.kept, self).items() if now[name] != digest]

    def left_over(self) -> list[str]:
        """Files in the copy that the finished run does not have, but for what is kept on purpose."""
        before, now = _names(self.kept), _names(self.work)
        return sorted(name for name in now - before if not any(each in name for each in _ALLOWED_MORE))


def _bundle(root: Path) -> Path:
    return root / "exports" / "tiny"


def _check(folder: Path) -> None:
    """What predict.py of a bundle does first; damage of that file itself is not tried."""
    spec = importlib.util.spec_from_file_location("bundled_predict", _PREDICT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["BUNDLE"] = folder
    try:
        module.check_files()
    except module.BundleError as error:
        print(f"error: {error}")
        sys.exit(2)


def _draw_data(config: Experiment) -> None:
    """The demo with fewer classes."""
    make_demo_data(config)
    for name in ("train.csv", "sample_submission.csv"):
        path = Path(config.data.root) / name
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *(row for row in rows if row[1] in _CLASSES)])


def _load_all(trial: TrialRun) -> None:
    """Import what the stages import, hash the code and look at packages, here, so that no trial spends seconds with it.

    The stages from nothing, whose modules are named, are timed, now that compiled loops are kept.
    """
    found = trial.kept.with_name("found.json")
    trial.restore()

    def work() -> None:
        """Run all stages from nothing."""
        seconds = {}
        for name in (*NAMES, EXPORT):
            trial.without(name)
            started = time.monotonic()
            trial.stages([name])()
            seconds[name] = time.monotonic() - started
        found.write_text(json.dumps([seconds, list(sys.modules)]), encoding="utf-8")

    log = trial.kept.with_name("log")
    ending = finish(start(work, log), log)
    if ending.code != 0:
        raise RuntimeError(f"the stages failed the second time:\n{ending.text}")
    seconds, modules = json.loads(found.read_text(encoding="utf-8"))
    trial.seconds.update(seconds)
    for name in modules:
        if name.partition(".")[0] not in ("__main__", "__mp_main__", "benchmarks"):
            with suppress(Exception):
                importlib.import_module(name)
    for artefact in DECIDED_BY:
        code_version(artefact)
    needed_versions()
    package_of("numpy")


def _names(root: Path) -> set[str]:
    folders = [root / name for name in (*FOLDERS, "reports")]
    return {path.relative_to(root).as_posix() for folder in folders for path in folder.rglob("*")}


def _hashes(root: Path, trial: TrialRun) -> dict[str, str]:
    paths = RunPaths.of(trial.config(root))
    files = [paths.folds_csv, paths.postprocess_json, paths.image_scores_csv, paths.submission("image_class_id")]
    files += [path for fold in (0, 1) for path in (paths.model(fold), paths.oof_parquet(fold))]
    if (trial.work / FOLDERS[-1]).is_dir():
        files += [path for path in (trial.kept / FOLDERS[-1]).rglob("*") if path.is_file()]
        files = [root / path.relative_to(trial.kept) if path.is_relative_to(trial.kept) else path for path in files]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in files
    }


def damage(how: str, path: Path, others: list[Path], rng: random.Random) -> str:
    """Flip one bit of a file, cut it, or put another one of its kind in its place; returns what was done, in words."""
    data = bytearray(path.read_bytes())
    if how == "exchange":
        alike = [other for other in others if other != path and other.suffix == path.suffix]
        if not alike:
            return ""
        other = rng.choice(alike)
        shutil.copyfile(other, path)
        return f"{other.name} copied over {path.name}"
    if not data:
        return ""
    place = rng.randrange(len(data))
    if how == "flip":
        data[place] ^= 1 << rng.randrange(8)
    else:
        del data[place:]
    path.write_bytes(data)
    return f"{how} of {path.name} at byte {place}"
