"""Where every artefact of a run lives, once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from maskfold.config import REPOSITORY, Config, Layout
from maskfold.config.submission import FOLDERS
from maskfold.errors import ConfigError
from maskfold.execution.text import file_name, visible

MODEL = "model.pt"  # in the folder of a model's training


def resolve(path: str | Path) -> Path:
    """A config path as an absolute one; relative ones start at the repository. Raises ConfigError for no path."""
    try:
        return (REPOSITORY / Path(path).expanduser()).resolve()
    except (ValueError, RuntimeError, OSError) as error:  # NUL characters, ~nobody, links in a circle
        raise ConfigError(f"{str(path)!r} is no usable path: {error}") from None


def display(path: Path) -> str:
    """The path as a message shows it: relative to the repository if it is inside it."""
    return visible(str(path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path))


@dataclass(frozen=True)
class RunPaths:
    """All files of one run, below `config.output_root`."""

    root: Path
    name: str
    fold_models: int  # models with a higher number are those of the refit

    @classmethod
    def of(cls, config: Config, root: Path | None = None) -> RunPaths:
        """The paths of a config's run, below `root` instead of `config.output_root` if it is given."""
        return cls(resolve(config.output_root) if root is None else root, config.name, config.folds.models)

    @property
    def folds_csv(self) -> Path:
        """image_id, fold, of repeats repeat1, …, stratum, and group where there are groups."""
        return self.root / "folds" / f"{self.name}.csv"

    @property
    def run(self) -> Path:
        """Checkpoints, history, logs: everything training leaves behind."""
        return self.root / "runs" / self.name

    def training(self, number: int) -> Path:
        """Folder of one model's training, fold<k> or refit<k>: model.pt, checkpoints, samples.png, history.csv."""
        refit = number - self.fold_models
        return self.run / (f"fold{number}" if refit < 0 else f"refit{refit}")

    def model(self, number: int) -> Path:
        """The chosen weights of one model, a plain state dict: what OOF and test images are predicted with."""
        return self.training(number) / MODEL

    def pseudo_labels(self, fold: int) -> Path:
        """What another run's model of this fold makes of the test images, for this run to learn from."""
        return self.run / "pseudo_labels" / f"fold{fold}.parquet"

    def history_csv(self, number: int) -> Path:
        """One row an epoch: epoch, train_loss, valid_loss, valid_metric, learning_rate, seconds, peak_memory_mb."""
        return self.training(number) / "history.csv"

    @property
    def folds_summary_csv(self) -> Path:
        """The trained folds side by side, one row each and their mean."""
        return self.run / "folds.csv"

    @property
    def oof(self) -> Path:
        """Folder of the OOF store and what was tuned on it."""
        return self.root / "oof" / self.name

    def oof_parquet(self, fold: int) -> Path:
        """OOF probabilities of one fold's validation images."""
        return self.oof / f"fold{fold}.parquet"

    @property
    def blend_json(self) -> Path:
        """The weights of a blend's members."""
        return self.oof / "blend.json"

    @property
    def views_json(self) -> Path:
        """Weights of the views of test-time augmentation, as they were found."""
        return self.oof / "views.json"

    @property
    def postprocess_json(self) -> Path:
        """The tuned artefact."""
        return self.oof / "postprocess.json"

    def score_table(self, fold: int) -> Path:
        """The exact tables of one fold, all classes (npz)."""
        return self.oof / "tables" / f"fold{fold}.npz"

    def sampled_pass(self, number: int) -> Path:
        """What one pass of a sampled search found, all classes and folds, so that a killed search continues."""
        return self.oof / "tables" / f"pass{number}.json"

    @property
    def image_scores_csv(self) -> Path:
        """Per OOF image and class: the areas and scores of the default and the adopted rule."""
        return self.oof / "image_scores.csv"

    def surface_png(self, class_name: str) -> Path:
        """The tuning surface of a class as a picture."""
        return self.oof / f"surface_{file_name(class_name)}.png"

    @property
    def study_sqlite(self) -> Path:
        """The Optuna study of the tuning stage."""
        return self.oof / "study.sqlite3"

    def submission(self, layout: Layout) -> Path:
        """The submission: a csv, a json, or a folder of masks."""
        suffix = {"coco_json": ".json", **dict.fromkeys(FOLDERS, "")}.get(layout, ".csv")
        return self.root / "submissions" / f"{self.name}{suffix}"

    def lock(self, stage: str) -> Path:
        """The lock of a stage; outside of the run's folder, which may be copied or removed."""
        return self.root / "runs" / ".locks" / f"{self.name}.{stage}.lock"

    def job_log(self, stage: str, job: str) -> Path:
        """All output of a job that a worker process did; `stage` as in `train`, `job` as in `fold0`."""
        return self.run / "logs" / f"{stage}.{job}.log"

    @property
    def workers_json(self) -> Path:
        """How many models `run.workers: auto` trains side by side, so that a resumed run keeps to it."""
        return self.run / "workers.json"

    @property
    def trackers(self) -> Path:
        """Folder of the trackers without a server, of all runs: mlflow.db, mlflow/, wandb/."""
        return self.root / "trackers"

    @property
    def bad_images_csv(self) -> Path:
        """image_id, reason: the test images that could not be read and got empty masks; missing if there are none."""
        return self.root / "submissions" / f"{self.name}.bad_images.csv"

    @property
    def comparison(self) -> Path:
        """Folder of the page that shows where two submissions differ; no run's name has a dot."""
        return self.root / "reports" / f"{self.name}.compare"

    @property
    def speed(self) -> Path:
        """Folder of the speed table: speed.csv, speed.md, speed.png; no run's name holds a dot."""
        return self.root / "reports" / f"{self.name}.speed"

    @property
    def contents_csv(self) -> Path:
        """The contents of all images and masks, as the last --verify found them."""
        return self.run / "contents.csv"

    @property
    def tests_png(self) -> Path:
        """Some training images and test images, drawn where a plan found that they differ."""
        return self.root / "reports" / f"{self.name}.tests.png"

    @property
    def labels_png(self) -> Path:
        """Six images with their masks, as `data.format: auto` understands the labels."""
        return self.root / "reports" / f"{self.name}.labels.png"

    @property
    def data_audit(self) -> Path:
        """Folder of the data audit: index.html, groups.csv and other csv files; no run's name holds a dot."""
        return self.root / "reports" / f"{self.name}.data_audit"

    @property
    def label_audit(self) -> Path:
        """Folder of the label audit: index.html, labels.csv, exclude.csv, suspects.csv; no run's name holds a dot."""
        return self.root / "reports" / f"{self.name}.label_audit"

    @property
    def image_map(self) -> Path:
        """Folder of the image map: index.html, its scripts and its data; no run's name holds a dot."""
        return self.root / "reports" / f"{self.name}.image_map"

    @property
    def submission_shards(self) -> Path:
        """Finished shards of the test images, so that a killed run continues."""
        return self.run / "submission_shards"

    @property
    def report(self) -> Path:
        """Folder of the static HTML report; open its index.html."""
        return self.root / "reports" / self.name


def image_index(folder: Path) -> Path:
    """Where the sizes of a folder's images are remembered; not in the folder itself, which may be read-only."""
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return REPOSITORY / "runs" / ".image_index" / f"{name}.csv"


def leaderboard_csv(root: Path, competition: str) -> Path:
    """What was submitted to a competition of Kaggle, with its scores; leaderboard.png lies beside it."""
    return root / "reports" / f"{competition}.kaggle" / "leaderboard.csv"


def shared_model(name: str, checksum: str) -> Path:
    """Where a model that others shared is made into a run; checksum: of its manifest."""
    return REPOSITORY / "runs" / ".shared" / f"{name}-{checksum[:16]}"
