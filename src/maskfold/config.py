"""The config of one competition experiment: strict pydantic models, YAML with `extends:`, and `--set` overrides.

A config file holds only departures from the defaults below. Unknown keys, wrong types and impossible values fail at
load, all together, and a misspelt key is answered with the nearest valid one. Relative paths start at the repository.
"""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

REPOSITORY = Path(__file__).resolve().parents[2]


class ConfigError(ValueError):
    """A config that cannot be used; the message lists every problem with its key and the nearest valid one."""


class Section(BaseModel):
    """Base of all config sections: unknown keys are refused and values are never converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Resize(Section):
    """How an image is resized before the network sees it: by a factor, to a longest side, or to a fixed size.

    Exactly one of the three forms. Probabilities always come back at the image's original size.
    """

    scale: float | None = Field(None, gt=0, le=4)
    longest_side: int | None = Field(None, ge=32)
    size: tuple[int, int] | None = None  # (height, width)

    @model_validator(mode="after")
    def _one_form(self) -> Resize:
        given = [key for key in ("scale", "longest_side", "size") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of scale, longest_side, size; found {given or 'none'}")
        return self


class RleCsvData(Section):
    """Images in folders, labels as run lengths in a csv: both Severstal forms."""

    format: Literal["rle_csv"] = "rle_csv"
    root: str
    class_names: tuple[str, ...] = Field(min_length=1)  # as the csv's ClassId writes them, in order
    train_images: str = "train_images"
    train_csv: str = "train.csv"
    test_images: str | None = "test_images"
    sample_submission: str | None = "sample_submission.csv"
    groups_csv: str | None = None  # ImageId,GroupId: images that must stay in one fold
    order: Literal["column", "row"] = "column"  # pixel order of the run lengths


class MaskFoldersData(Section):
    """Photos in one folder, one mask image of the same stem a photo in another: the people layout."""

    format: Literal["mask_folders"] = "mask_folders"
    root: str
    class_names: tuple[str, ...] = Field(("mask",), min_length=1, max_length=1)
    train_images: str = "train"
    train_masks: str = "train_mask"
    test_images: str | None = "test"
    sample_submission: str | None = None
    groups_csv: str | None = None
    mask_threshold: int = Field(128, ge=1, le=255)  # a mask pixel is on at this grey value or above


DataConfig = Annotated[RleCsvData | MaskFoldersData, Field(discriminator="format")]


class DemoConfig(Section):
    """The generated demo competition; present only in configs whose data src/make_demo_data.py draws."""

    seed: int = Field(0, ge=0)
    train_images: int = Field(360, ge=8)
    test_images: int = Field(120, ge=1)
    height: int = Field(64, ge=32)  # px
    width: int = Field(400, ge=64)  # px


class FoldsConfig(Section):
    """Stratified, group-respecting folds."""

    count: int = Field(5, ge=2, le=50)


class ModelConfig(Section):
    """A segmentation-models-pytorch network."""

    architecture: str = "Unet"
    encoder: str = "resnet34"  # any smp encoder, or tu-<name> for a timm one
    encoder_weights: str | None = "imagenet"  # a name smp can download, the path of a local state dict, or null
    encoder_depth: int = Field(5, ge=3, le=5)
    decoder_channels: tuple[int, ...] | None = None  # only for architectures that take it; one a depth level
    classification_head: bool = False  # predicts which classes are present, for gates
    in_channels: Literal[1, 3] = 3  # images are read as grey or as RGB
    resize: Resize | None = None


class LossConfig(Section):
    """Weights of the terms of the training loss; zero leaves a term out."""

    bce: float = Field(1.0, ge=0)
    dice: float = Field(1.0, ge=0)
    focal: float = Field(0.0, ge=0)
    lovasz: float = Field(0.0, ge=0)
    classification: float = Field(0.3, ge=0)  # of the classification head's BCE, when there is such a head

    @model_validator(mode="after")
    def _some_term(self) -> LossConfig:
        if self.bce + self.dice + self.focal + self.lovasz == 0:
            raise ValueError("every mask loss has weight 0; give at least one of bce, dice, focal, lovasz a weight")
        return self


class TrainConfig(Section):
    """Training of one fold."""

    epochs: int = Field(30, ge=1)
    batch_size: int = Field(16, ge=1)
    crop_size: tuple[int, int] | None = None  # (height, width) after model.resize; null pads all to the largest image
    learning_rate: float = Field(1e-3, gt=0)
    encoder_learning_rate: float | None = Field(None, gt=0)  # null: the same as learning_rate
    weight_decay: float = Field(1e-4, ge=0)
    warmup_epochs: float = Field(1.0, ge=0)
    gradient_clip: float = Field(1.0, gt=0)
    non_empty_share: float | None = Field(None, gt=0, le=1)  # share of drawn images that show something; null: as it is
    non_empty_crop_share: float = Field(0.5, ge=0, le=1)  # share of crops of non-empty images that must show something
    augmentation: Literal["none", "light", "medium", "heavy"] = "medium"
    flips: tuple[Literal["horizontal", "vertical"], ...] = ("horizontal",)
    loss: LossConfig = LossConfig()
    ema_decay: float | None = Field(0.99, gt=0, lt=1)  # null: no moving average of the weights
    select: Literal["best", "last"] = "best"  # the weights OOF and test use; best is chosen on the validation images
    early_stopping_patience: int | None = Field(None, ge=1)  # epochs without a better metric; null: never stop early
    precision: Literal["auto", "32", "bf16"] = "auto"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = Field(1, ge=1)
    num_nodes: int = Field(1, ge=1)
    workers: int | None = Field(None, ge=0)  # loader processes; null: up to four beside a GPU, one on a CPU

    @model_validator(mode="after")
    def _crop_fits_stride(self) -> TrainConfig:
        if self.crop_size is not None and any(side < 32 or side % 32 for side in self.crop_size):
            raise ValueError(f"crop_size: sides must be multiples of 32, found {list(self.crop_size)}")
        return self


class InferenceConfig(Section):
    """From an image to probabilities; the same for OOF and test images."""

    tta: tuple[Literal["hflip", "vflip", "rot180"], ...] = ("hflip",)  # the untouched image always takes part
    batch_size: int = Field(16, ge=1)
    shard_images: int = Field(256, ge=1)  # test images a shard; a killed run continues at the last whole shard

    @model_validator(mode="after")
    def _distinct_views(self) -> InferenceConfig:
        if len(set(self.tta)) == 3 or len(set(self.tta)) != len(self.tta):
            raise ValueError(f"tta: hflip and vflip together already hold rot180; found {list(self.tta)}")
        return self


class TuningConfig(Section):
    """The exact search for thresholds and minimum areas on the OOF predictions."""

    metric: Literal["dice", "iou", "tgs_precision", "pooled_dice"] = "dice"
    rule: Literal["auto", "component", "mask", "triplet"] = "auto"  # auto: the best of the three for each class
    connectivity: Literal[4, 8] = 8
    gates: bool = True  # by the classification probability, where the model predicts one
    finishing: bool = True  # try hole filling and keeping only the largest components
    dense_areas: int = Field(256, ge=1, le=8192)  # every minimum area up to this one is tried, then geometric steps
    area_growth: float = Field(1.05, gt=1, le=2)
    trials: int = Field(100, ge=0)  # of the Optuna study over what does not decompose
    bootstrap_samples: int = Field(1000, ge=100)


class SubmissionConfig(Section):
    """The answer file; its rows and order follow the competition's sample file where there is one."""

    layout: Literal["image_class_id", "image_class_columns", "image"] = "image_class_columns"
    columns: tuple[str, ...] | None = None  # null: the usual names of the layout
    order: Literal["column", "row"] = "column"
    empty_token: str = ""

    @model_validator(mode="after")
    def _column_count(self) -> SubmissionConfig:
        expected = 3 if self.layout == "image_class_columns" else 2
        if self.columns is not None and len(self.columns) != expected:
            raise ValueError(f"layout {self.layout} has {expected} columns, found {len(self.columns)}")
        return self

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names of the answer file, in order."""
        usual = {
            "image_class_id": ("ImageId_ClassId", "EncodedPixels"),
            "image_class_columns": ("ImageId", "ClassId", "EncodedPixels"),
            "image": ("id", "rle_mask"),
        }
        return self.columns or usual[self.layout]


class ReportConfig(Section):
    """The HTML page of a run."""

    examples: int = Field(12, ge=0)  # OOF images a gallery


class Config(Section):
    """One competition experiment."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    seed: int = Field(0, ge=0, lt=2**31)
    output_root: str = "."  # folds/, oof/, runs/, submissions/ and reports/ of the run lie below it
    data: DataConfig
    demo: DemoConfig | None = None
    folds: FoldsConfig = FoldsConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    inference: InferenceConfig = InferenceConfig()
    tuning: TuningConfig = TuningConfig()
    submission: SubmissionConfig = SubmissionConfig()
    report: ReportConfig = ReportConfig()


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice and reads 1e-3 as a number (YAML 1.1 wants 1.0e-3)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise ConfigError(f"key given twice: {', '.join(twice)}{node.start_mark}")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)$|^[-+]?(?:\d+\.\d*|\.\d+)$"),
    list("-+0123456789."),
)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Load a config file, what it extends, and `key=value` overrides on top.

    Raises ConfigError naming the file and every problem found.
    """
    path = Path(path)
    tree = _read_tree(path, seen=())
    for override in overrides:
        _apply_override(tree, override)
    # JSON mode of pydantic lets a list stand for a tuple while strings and numbers stay strict.
    try:
        return Config.model_validate_json(json.dumps(tree, default=str))
    except ValidationError as error:
        lines = "\n".join(f"  {_describe(problem)}" for problem in error.errors())
        raise ConfigError(f"{path}: the config cannot be used:\n{lines}") from None


def _read_tree(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    path = path.resolve()
    if path in seen:
        raise ConfigError(f"{path}: extends itself through {' -> '.join(p.name for p in (*seen, path))}")
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")], n=1)
        hint = f"; did you mean {path.parent / near[0]}?" if near else ""
        raise ConfigError(f"{path}: no such config file{hint}")
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a YAML file: {error}") from None
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, found {type(tree).__name__}")
    base = tree.pop("extends", None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise ConfigError(f"{path}: extends must name one YAML file, found {base!r}")
    return _merge(_read_tree(path.parent / base, (*seen, path)), tree)


def _merge(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """`top` over `base`, section by section; a data section of another format replaces the base's whole."""
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            same_kind = value.get("format", old.get("format")) == old.get("format")
            merged[key] = _merge(old, value) if same_kind else value
        else:
            merged[key] = value
    return merged


def _apply_override(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {override}: expected key=value, for example --set train.epochs=3")
    try:
        value = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not YAML: {error}") from None
    node = tree
    for part in parts[:-1]:
        child = node.get(part)
        node[part] = dict(child) if isinstance(child, dict) else {}
        node = node[part]
    node[parts[-1]] = value


def _describe(problem: Any) -> str:  # pydantic's ErrorDetails
    """One line for one pydantic error: the key, what was found and what was expected."""
    location = [str(part) for part in problem["loc"] if part not in ("rle_csv", "mask_folders")]
    key = ".".join(location) or "config"
    if problem["type"] == "extra_forbidden":
        valid = _valid_keys(location[:-1], problem["loc"])
        near = difflib.get_close_matches(location[-1], valid, n=1, cutoff=0.5)
        hint = f"did you mean {'.'.join([*location[:-1], near[0]])}?" if near else f"valid keys: {', '.join(valid)}"
        return f"{key}: unknown key; {hint}"
    if problem["type"] == "missing":
        return f"{key}: required, but not given"
    if problem["type"] == "union_tag_not_found":
        return f"{key}.format: required; one of {problem['ctx'].get('discriminator', 'format')}: rle_csv, mask_folders"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]} (found {json.dumps(problem['input'], default=str)})"


def _valid_keys(location: list[str], raw_location: tuple[int | str, ...]) -> list[str]:
    """Keys valid in the section at `location`."""
    section: Any = Config
    for part in location:
        section = _section_model(section.model_fields[part].annotation, raw_location)
    return sorted(section.model_fields)


def _section_model(annotation: Any, raw_location: tuple[int | str, ...]) -> type[BaseModel]:
    """The pydantic model inside an annotation; of a union of data formats, the one the location names."""
    if get_origin(annotation) in (Union, types.UnionType):
        members = [m for m in get_args(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]
        tagged = [m for m in members if "format" in m.model_fields and m.model_fields["format"].default in raw_location]
        return (tagged or members)[0]
    return annotation
