"""A tiny finished run of the demo, copied for every trial, and what a trial left of it."""

from __future__ import annotations

import hashlib
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harm.children import Ending, finish, start
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment
from support.finished_run import STAGES, run_stages, tiny_config

FOLDERS = ("folds", "runs", "oof", "submissions")
NAMES = tuple(STAGES)
_ALLOWED_MORE = (".previous", ".changed.csv", ".lock", "tfevents", "hparams.yaml", ".ckpt", ".made.json")


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
        """Run every stage once, each in its own process. Raises RuntimeError with its output if one fails."""
        kept, seconds = folder / "kept", dict[str, float]()
        kept.mkdir()
        trial = cls(kept, folder / "work", seconds)
        for name in NAMES:
            ending = trial.run([name], kept)
            if ending.code != 0:
                raise RuntimeError(f"{name} failed:\n{ending.text}")
        for name in NAMES:  # again: compiled loops are kept from the first time
            trial.restore()
            trial.without(name)
            started = time.monotonic()
            trial.run([name])
            seconds[name] = time.monotonic() - started
        return trial

    def config(self, root: Path | None = None) -> Experiment:
        """The config of the copy, or of the run below `root`; the data are shared."""
        place = str(self.work if root is None else root)
        found: Experiment = tiny_config(self.kept).with_changes(lambda _: {"output_root": place})
        return found

    def stages(self, names: list[str], root: Path | None = None) -> Callable[[], object]:
        """What runs some stages."""
        return lambda: run_stages(self.config(root), *names)

    def run(self, names: list[str], root: Path | None = None) -> Ending:
        """Run some stages in one process."""
        log = self.kept.with_name("log")
        return finish(start(self.stages(names, root), log), log)

    def restore(self) -> None:
        """Make the copy whole again."""
        shutil.rmtree(self.work, ignore_errors=True)
        for name in (*FOLDERS, "reports"):
            shutil.copytree(self.kept / name, self.work / name, symlinks=True)

    def files(self) -> list[Path]:
        """All files of the copy that can be harmed."""
        return sorted(
            path
            for name in FOLDERS
            for path in (self.work / name).rglob("*")
            if path.is_file() and ".locks" not in path.parts
        )

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
        }
        for path in made[stage]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def differing(self) -> list[str]:
        """Which of folds, weights, OOF, rules, scores and submission are not those of the finished run."""
        return [name for name, digest in _hashes(self.kept, self).items() if _hashes(self.work, self)[name] != digest]

    def left_over(self) -> list[str]:
        """Files in the copy that the finished run does not have, but for what is kept on purpose."""
        before, now = _names(self.kept), _names(self.work)
        return sorted(name for name in now - before if not any(each in name for each in _ALLOWED_MORE))


def _names(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for name in (*FOLDERS, "reports") for path in (root / name).rglob("*")}


def _hashes(root: Path, trial: TrialRun) -> dict[str, str]:
    paths = RunPaths.of(trial.config(root))
    files = [paths.folds_csv, paths.postprocess_json, paths.image_scores_csv, paths.submission("image_class_id")]
    files += [path for fold in (0, 1) for path in (paths.model(fold), paths.oof_parquet(fold))]
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
