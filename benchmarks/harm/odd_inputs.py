"""Odd inputs: files of every kind changed at random, read by maskfold and by an independent reading."""

from __future__ import annotations

import csv
import json
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import torch
import yaml
from PIL import Image

from benchmarks.harm.trial_run import TrialRun
from maskfold.artefacts.paths import RunPaths, resolve
from maskfold.config import load_config
from maskfold.data.images.files import read_image
from maskfold.data.opening import open_competition
from maskfold.errors import ConfigError, DataError, InferenceError, StaleError, TrainingError, UsageError
from maskfold.oof.store import iter_oof
from maskfold.rules.tuned import TunedArtefact
from maskfold.training.checkpoint_files import LAST, read_checkpoint

REFUSALS = (ConfigError, DataError, InferenceError, StaleError, TrainingError, UsageError)
_WORDS = (
    *("", "nan", "-inf", "1e400", "-1", "0", "99999999999999999999", "null", "~nobody/x", "../../x", "[]", "{}"),
    *("true", "'\\0'", '"', "=1+1", "[/b]", "$x^", "é", "\u202e", "\x1b[31m", "a" * 300, "!!python/object:os.system"),
)


def changed(data: bytes, rng: random.Random) -> bytes:
    """Bytes with one to three changes: a flipped bit, a cut, a piece repeated or removed, a digit, an odd word."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        place = rng.randrange(len(found) + 1)
        end = min(len(found), place + rng.choice((1, 1, 2, 3, 40)))
        how = rng.randrange(6)
        if how == 0 and place < len(found):
            found[place] ^= 1 << rng.randrange(8)
        elif how == 1 and rng.random() < 0.3:
            del found[place:]
        elif how == 2:
            found[place:place] = found[place:end]
        elif how == 3:
            del found[place:end]
        elif how == 4 and (digits := [at for at, byte in enumerate(found) if 48 <= byte < 58]):
            found[rng.choice(digits)] = rng.randrange(48, 58)
        else:
            found[place:end] = rng.choice(_WORDS).encode()
    return bytes(found)


def outcome(read: Callable[[Path], bool], path: Path) -> str:
    """`accepted`, `refused`, `differs` or `traceback` with the error, of reading a file.

    read: says whether both readings agree.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return "accepted" if read(path) else "differs"
    except REFUSALS as error:
        return f"refused: {str(error)[:200]}"
    except Exception as error:
        return f"traceback: {type(error).__name__}: {str(error)[:200]}"


def readers(trial: TrialRun, folder: Path) -> dict[str, tuple[bytes, Path, Callable[[Path], bool]]]:
    """Kind of input -> an undamaged one, where a changed one is put, and its reader."""
    config = trial.config()
    text = yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True))
    paths = RunPaths.of(trial.config(trial.kept))
    data = folder / "data"
    image = next((trial.kept / "data" / "test_images").iterdir())
    pixels = cv2.imencode(".bmp", read_image(image, 3)[:, :, ::-1])[1].tobytes()
    checkpoint = torch.load(paths.training(0) / LAST, weights_only=True)["state_dict"]
    small = folder / "small.ckpt"
    torch.save(dict(list(checkpoint.items())[:3]), small)

    def config_agrees(path: Path) -> bool:
        """A config that is accepted says what plain YAML says."""
        found, plain = load_config(path).model_dump(mode="json"), yaml.safe_load(path.read_text(encoding="utf-8"))
        resolve(found["data"]["root"])
        return _inside(plain, found)

    def csv_agrees(path: Path) -> bool:
        """The masks of a competition are those of its csv, decoded here."""
        section = config.data.model_copy(update={"root": str(data)})
        competition = open_competition(section)
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        return all(_same_masks(competition, image_id, rows) for image_id in competition.train["image_id"])

    def rules_agree(path: Path) -> bool:
        """Rules that are accepted say what the json says."""
        found = TunedArtefact.read_edited(path).model_dump(mode="json")
        return _inside(json.loads(path.read_text(encoding="utf-8")), found)

    def image_agrees(path: Path) -> bool:
        """An image that is accepted is what Pillow reads."""
        found = read_image(path, 3)
        with Image.open(path) as picture:
            return np.array_equal(found, np.asarray(picture.convert("RGB")))

    def oof_agrees(path: Path) -> bool:
        """An OOF file that is accepted holds what pyarrow reads."""
        return {each.image_id for each in iter_oof(path)} == set(pq.read_table(path)["image_id"].to_pylist())

    def checkpoint_agrees(path: Path) -> bool:
        """A checkpoint that is accepted holds the values that were written."""
        try:
            found = read_checkpoint(path)
        except ValueError as error:
            raise StaleError(str(error)) from None
        return all(torch.equal(found[name], checkpoint[name]) for name in found)

    return {
        "config": (text.encode(), folder / "odd.yaml", config_agrees),
        "csv": ((trial.kept / "data" / "train.csv").read_bytes(), data / "train.csv", csv_agrees),
        "json": (paths.postprocess_json.read_bytes(), folder / "rules.json", rules_agree),
        "image": (pixels, folder / "odd.bmp", image_agrees),
        "oof": (paths.oof_parquet(0).read_bytes(), folder / "odd.parquet", oof_agrees),
        "checkpoint": (small.read_bytes(), folder / "odd.ckpt", checkpoint_agrees),
    }


def _inside(plain: Any, found: Any) -> bool:
    """Whether every number and truth value of a nested value is the same in another one."""
    if isinstance(plain, dict):
        return isinstance(found, dict) and all(_inside(value, found.get(str(key))) for key, value in plain.items())
    if isinstance(plain, list):
        return not isinstance(found, list) or all(map(_inside, plain, found))
    numbers = isinstance(plain, (bool, int, float)) and isinstance(found, (bool, int, float))
    return float(plain) == float(found) if numbers else True  # a whole number of 30 digits is one of 16 to a float


def _same_masks(competition: Any, image_id: str, rows: list[dict[str, str]]) -> bool:
    masks = competition.masks(image_id)
    for index, name in enumerate(competition.class_names):
        flat = np.zeros(masks.shape[1] * masks.shape[2], dtype=np.uint8)
        for row in rows:
            if list(row.values())[:2] == [image_id, name]:
                numbers = [int(word) for word in list(row.values())[2].split()]
                for first, length in zip(numbers[::2], numbers[1::2], strict=True):
                    flat[first - 1 : first - 1 + length] = 1
        if not np.array_equal(flat.reshape(masks.shape[2], masks.shape[1]).T, masks[index]):
            return False
    return True
