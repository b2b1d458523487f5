"""An ONNX file with weights and activations of 8 bits: smaller, faster on the CPU, and a little different.

The ranges of the activations are those of some training images (static quantisation of onnxruntime). How far its masks
are from those of the float file is measured on others.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from maskfold.errors import UsageError
from maskfold.pixels.metrics import dice
from maskfold.pixels.soft import HALF

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

LEAST_DICE = 0.9  # between the masks of both files, on average: below, nothing is written


class Inputs(Protocol):
    """Batches of images, as often as asked for."""

    def __iter__(self) -> Iterator[tuple[list[str], np.ndarray]]:
        """Image ids, and (B, channels, H, W) stored values as the network sees them."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Drift:
    """How far the int8 file is from the float one on some images.

    images: how many; mean: absolute difference of probabilities; mean_dice, least_dice: between the masks at 0.5 of an
    image and class, 0..1; worst: the image with the least.
    """

    images: int
    mean: float
    mean_dice: float
    least_dice: float
    worst: str

    def in_words(self) -> str:
        """One line of figures."""
        return (
            f"int8 against float32, {self.images} training images: probabilities differ by {self.mean:.4f} on average, "
            f"masks at 0.5 have a Dice of {self.mean_dice:.4f}, at least {self.least_dice:.4f} ({self.worst})"
        )


def make_int8(file: Path, calibration: Inputs, others: Inputs, dtype: str) -> Drift:
    """Replace a float file by its int8 form, and measure how far that is from it.

    calibration: what the ranges are from; others: what the two are compared on; dtype: of the file's input. Raises
    UsageError if either is empty, or if the masks differ too much.
    """
    with TemporaryDirectory() as folder:
        made = Path(folder) / "int8.onnx"
        _write(file, made, calibration, dtype)
        drift = measured_drift(_session(file), _session(made), others, dtype)
        if drift.mean_dice < LEAST_DICE:
            raise UsageError(
                f"{drift.in_words()}; at least {LEAST_DICE:g} on average is asked for; nothing was written"
            )
        shutil.copyfile(made, file)
    return drift


def _session(path: Path) -> InferenceSession:
    from onnxruntime import InferenceSession

    return InferenceSession(path, providers=["CPUExecutionProvider"])


def _write(float_file: Path, path: Path, calibration: Inputs, dtype: str) -> None:
    """Write the int8 file of a float one. Raises UsageError if no image fits its size."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class _Reader(CalibrationDataReader):
        """Hands out one batch after another."""

        def __init__(self) -> None:
            self._batches = (pixels.astype(dtype) for _, pixels in calibration)

        def get_next(self) -> dict[str, Any] | None:
            """The next input, or None at the end."""
            pixels = next(self._batches, None)
            return None if pixels is None else {"pixels": pixels}

    if not calibration:
        raise UsageError("--int8: no training image has the size that the file takes; leave out --fixed-size")
    prepared = path.with_name("prepared.onnx")
    quant_pre_process(str(float_file), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(path),
        _Reader(),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def measured_drift(
    float_session: InferenceSession, int8_session: InferenceSession, batches: Inputs, dtype: str
) -> Drift:
    """The drift on images that were not calibrated on. Raises UsageError without any."""
    differences: list[float] = []
    dices: list[np.ndarray] = []
    names: list[str] = []
    for image_ids, pixels in batches:
        ours, theirs = (
            session.run(["prob"], {"pixels": pixels.astype(dtype)})[0] for session in (float_session, int8_session)
        )
        differences += np.abs(ours - theirs).mean(axis=(1, 2, 3)).tolist()
        dices += list(_mask_dice(ours, theirs))
        names += image_ids
    if not names:
        raise UsageError("--int8: no training image is left to measure on; at least 2 of the file's size are needed")
    of_images = np.array([one.min() for one in dices])
    worst = int(np.argmin(of_images))
    return Drift(len(names), float(np.mean(differences)), float(np.mean(dices)), float(of_images[worst]), names[worst])


def _mask_dice(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(B, C) Dice between the masks at 0.5 of two sets of probabilities, (B, C, H, W) each."""
    masks = [prob >= HALF / 255 for prob in (first, second)]
    areas = [mask.sum(axis=(2, 3)) for mask in (masks[0] & masks[1], *masks)]
    return dice(*areas)
