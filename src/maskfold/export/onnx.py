"""Trained folds as an ONNX file that other runtimes load: from raw pixels to probabilities, checked against torch."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Experiment
from maskfold.errors import UsageError
from maskfold.export.int8 import Inputs, make_int8
from maskfold.network.model import STRIDE, SegmentationModel, load_model

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
LARGEST_FILE = 2**31 - 2**20  # bytes that a protobuf holds, and some for the graph
TOLERANCE = 1e-4  # of probabilities between torch and onnxruntime, both in float32 on the CPU
# Where that is less than float32 itself is exact to, as with random weights: how far from float64 the file may be, in
# distances of torch's own output. Measured on random Unets of mobilenet_v2, resnet34 and resnet101: 0.5 to 1.0.
ROUNDING = 2.0

Pixels = Literal["uint8", "float32"]
Size = tuple[int, int]


class FoldMean(nn.Module):
    """The mean probability of some networks, as one network."""

    def __init__(self, models: Sequence[SegmentationModel]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        self.intensity = models[0].intensity

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """pixels: (B, in_channels, H, W) stored values, H and W multiples of STRIDE.

        Returns mask probabilities (B, C, H, W) float32 in 0..1 and, with a classification head, class probabilities
        (B, C) float32.
        """
        masks, classes = [], []
        for model in self.models:
            outputs = model(pixels)
            masks.append(outputs.mask_logits.sigmoid())
            if outputs.class_logits is not None:
                classes.append(outputs.class_logits.sigmoid())
        return tuple(torch.stack(parts).mean(0) for parts in (masks, classes) if parts)


def export_onnx(
    config: Experiment,
    path: Path,
    fold: int | None,
    size: Size,
    pixels: Pixels,
    fixed: bool = False,
    trained: bool = True,
    int8_inputs: tuple[Inputs, Inputs] | None = None,
) -> None:
    """Write one fold, or with None the mean of all, as an ONNX file; checked with onnxruntime before it gets its name.

    size: (height, width) in px of the images it is traced with; with `fixed` the only ones that it takes. pixels: the
    type of its input. trained: False for random weights, which need only be as exact as in torch. int8_inputs: to
    calibrate a file of 8-bit numbers and to measure it, see `int8.make_int8`; None: it is of float32. Raises UsageError
    when packages are missing, the size does not fit, the network cannot be exported or its output differs from torch;
    StaleError when a fold is not trained.
    """
    _check_request(size)
    network = _network(config, fold)
    _check_pixels(network, pixels)
    with whole_file(path) as temporary:
        _write(network, temporary, config, _random_images(network, config, (2, *size), pixels), fixed)
        free = _free_dimensions(temporary)
        sizes = [size, (size[0] + STRIDE, size[1] + 2 * STRIDE)] if {"height", "width"} <= free else [size]
        for tried in sizes:
            images = _random_images(network, config, (3 if "batch" in free else 2, *tried), pixels)
            difference = _difference(network, temporary, images)
            print(f"export_onnx: {tried[0]}x{tried[1]} px: probabilities differ from torch by at most {difference:.1e}")
            if not (difference <= TOLERANCE or (not trained and _as_exact_as_torch(network, temporary, images))):
                raise UsageError(
                    f"the output of the ONNX file differs from torch by {difference:.3g}; at most {TOLERANCE:g} is "
                    "allowed; nothing was written"
                )
        if int8_inputs is not None:
            drift = make_int8(temporary, *int8_inputs, pixels)
            print(f"export_onnx: {drift.in_words()}")
    print(f"export_onnx: wrote {display(path)}; free to choose: {', '.join(sorted(free)) or 'nothing'}")


def default_size(config: Experiment) -> Size:
    """(height, width) in px to trace with: what all images are resized to, else the crops of training, else 256x256."""
    resize = config.model.resize
    height, width = (resize.size if resize is not None else None) or config.train.crop_size or (256, 256)
    return -(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE


def _check_request(size: Size) -> None:
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise UsageError(f"ONNX export needs {', '.join(missing)}; install with: pip install -r requirements-onnx.txt")
    if any(side < STRIDE or side % STRIDE for side in size):
        raise UsageError(f"--size: sides must be multiples of {STRIDE}, found {size[0]} {size[1]}")


def _network(config: Experiment, fold: int | None) -> FoldMean:
    if fold is not None and fold not in range(config.folds.models):
        raise UsageError(f"--fold: {config.name} has the folds 0 to {config.folds.models - 1}, found {fold}")
    numbers = config.test_numbers if fold is None else [fold]
    paths, class_count = RunPaths.of(config), len(config.data.class_names)
    network = FoldMean([load_model(paths.model(each), config.model, class_count) for each in numbers]).eval()
    if sum(value.nbytes for value in network.state_dict().values()) > LARGEST_FILE:
        raise UsageError(
            f"{len(numbers)} models are more than the 2 GB that an ONNX file can hold; export them one by one"
        )
    return network


def _check_pixels(network: FoldMean, pixels: Pixels) -> None:
    """Raise UsageError unless the type of the input holds the values that the network was trained on."""
    intensity = network.intensity
    if intensity is not None and intensity.stored != pixels and pixels == "uint8":
        raise UsageError(f"--pixels: the network was trained on {intensity.stored} images; give --pixels float32")


def _random_images(network: FoldMean, config: Experiment, shape: tuple[int, int, int], pixels: Pixels) -> Tensor:
    """(B, in_channels, H, W) noise of a `shape` (B, H, W), over the range of values that the network sees."""
    batch, height, width = shape
    size, generator = (batch, config.model.input_channels, height, width), torch.Generator().manual_seed(0)
    values = torch.randint(0, 256, size, generator=generator)
    if network.intensity is not None and pixels == "float32":
        low, high = (torch.tensor(ends).view(1, -1, 1, 1) for ends in (network.intensity.low, network.intensity.high))
        return low + values / 255 * (high - low)
    return values.to(getattr(torch, pixels))


def _write(network: FoldMean, path: Path, config: Experiment, images: Tensor, fixed: bool) -> None:
    names = ["prob", "class_prob"] if config.model.classification_head else ["prob"]
    # AUTO: free where the network allows it, and fixed where it does not.
    dimensions = [0] if fixed else [0, 2, 3]
    try:
        program = torch.onnx.export(
            network,
            (images,),
            input_names=["pixels"],
            output_names=names,
            dynamic_shapes=(dict.fromkeys(dimensions, Dim.AUTO),),
            dynamo=True,  # torch before 2.9 has another exporter by default
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        cause = str(error.__cause__ or error).strip().splitlines()[0]
        advice = "its network cannot be exported" if fixed else "give --fixed-size, for images of one size only"
        raise UsageError(f"{config.name}: the export failed ({cause}); {advice}") from None
    assert program is not None
    values = "0..255" if network.intensity is None else f"as {network.intensity.stored} files store them"
    program.model.metadata_props["maskfold"] = json.dumps(
        {
            "name": config.name,
            "class_names": config.data.class_names,
            "pixels": f"{values}, grey or RGB, sides multiples of 32, resized as in resize; normalised by the network",
            "resize": None if config.model.resize is None else config.model.resize.model_dump(mode="json"),
        }
    )
    program.save(path, external_data=False)


def _session(path: Path) -> InferenceSession:
    # A large package that only this export needs.
    from onnxruntime import InferenceSession

    return InferenceSession(path, providers=["CPUExecutionProvider"])


def _free_dimensions(path: Path) -> set[str]:
    """Those of batch, height and width that the file leaves open."""
    batch, _, height, width = _session(path).get_inputs()[0].shape
    sides = {"batch": batch, "height": height, "width": width}
    return {name for name, side in sides.items() if not isinstance(side, int)}


def _difference(network: FoldMean, path: Path, images: Tensor) -> float:
    """The largest absolute difference between the probabilities of torch and of onnxruntime; NaN where one has it."""
    return _largest(_torch_outputs(network, images), _onnx_outputs(path, images))


def _as_exact_as_torch(network: FoldMean, path: Path, images: Tensor) -> bool:
    """Whether the file is about as near to the outputs in float64 as torch is in float32.

    Rounding errors grow from layer to layer of a deep network with random weights: those of resnet101 end at 3e-4 of a
    probability, in any runtime, where trained networks stay below 1e-4.
    """
    try:
        exact = _torch_outputs(copy.deepcopy(network).double(), images)
    except RuntimeError:  # a network with a part that always computes in float32
        return False
    of_torch, of_onnx = (
        _largest(exact, each) for each in (_torch_outputs(network, images), _onnx_outputs(path, images))
    )
    print(
        f"export_onnx: random weights: float32 differs from float64 by {of_torch:.1e} in torch, {of_onnx:.1e} in ONNX"
    )
    return of_onnx <= ROUNDING * of_torch


def _torch_outputs(network: FoldMean, images: Tensor) -> list[np.ndarray]:
    with torch.inference_mode():
        return [output.numpy() for output in network(images)]


def _onnx_outputs(path: Path, images: Tensor) -> list[np.ndarray]:
    return list(_session(path).run(None, {"pixels": images.numpy()}))


def _largest(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    return float(max(np.abs(one - other).max() for one, other in zip(ours, theirs, strict=True)))
