"""A whole trained network as the start of another: what fits is taken, and what is left out is said key by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from maskfold.artefacts.paths import display
from maskfold.config import ModelConfig
from maskfold.errors import ConfigError
from maskfold.network.encoder_weights import part_of, read_state
from maskfold.network.model import SegmentationModel, check_finite

_KEY = "model.init_from"
_HEADS = ("segmentation_head.", "classification_head.")  # their size follows the number of classes
_OF_IMAGES = ("low", "high", "stored")  # the range of stored values, which is that of the new images
_SHOWN = 3  # names in an error


def start_from(
    model: SegmentationModel,
    path: Path,
    config: ModelConfig,
    class_names: Sequence[str],
    names_there: Sequence[str] | None,
) -> list[str]:
    """Fill a new network with the weights of a file and say what was left out, a line a tensor.

    The file holds one state dict of a network of the same architecture and encoder: a model.pt, a checkpoint of
    lightning, or a state dict of smp. Its normalisation is taken over; without one it is ImageNet's. The heads may have
    other classes: where `names_there`, the classes of the file in order, are known, the rows of classes of the same
    name are taken and new classes start random; else a head of another size is left out.
    Raises ConfigError for a file that cannot be read, several networks in one file, weights that are not finite, and
    for another architecture, with the names of what does not fit.
    """
    state = read_state(path, _KEY)
    wanted = model.network.state_dict()
    found = part_of(state, wanted)
    try:
        check_finite(found)
    except ValueError as error:
        raise ConfigError(f"{_KEY}: {display(path)}: {error}") from None
    _refuse_another_network(found, wanted, path, config)
    left_out, taken = [], dict(wanted)
    for name, here in wanted.items():
        there = found.get(name)
        rows = None if names_there is None or list(names_there) == list(class_names) else (class_names, names_there)
        if there is not None and here.shape == there.shape and (rows is None or not _has_classes(name, here, rows[0])):
            taken[name] = there
        elif there is None:
            left_out.append(f"{name}: not in the file, starts random")
        elif rows is not None and _has_classes(name, here, rows[0]) and _has_classes(name, there, rows[1]):
            taken[name], line = _rows(here, there, *rows)
            left_out += [f"{name}: {line}"] if line else []
        else:
            shapes = " instead of ".join(str(tuple(each.shape)) for each in (there, here))
            left_out.append(f"{name}: {shapes}, starts random")
    model.network.load_state_dict(taken)
    around = {name.removeprefix("model."): value for name, value in state.items()}  # of lightning's checkpoints
    model.normalise_as({name: value for name, value in around.items() if name in ("mean", "std")})
    left_out += [f"{name}: not used, {_reason(name)}" for name in sorted(found.keys() - wanted.keys())]
    return left_out + [f"{name}: not used, {_reason(name)}" for name in _OF_IMAGES if name in around]


def _refuse_another_network(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path, config: ModelConfig
) -> None:
    """Raise ConfigError unless everything but the heads has the names and shapes of the network."""
    ours, theirs = ({name for name in each if not name.startswith(_HEADS)} for each in (wanted, found))
    other = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in sorted(ours & theirs)
        if found[name].shape != wanted[name].shape
    ]
    parts = {"missing": sorted(ours - theirs), "unknown": sorted(theirs - ours), "of another shape": other}
    problems = [
        f"{len(names)} {what}: {', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''}"
        for what, names in parts.items()
        if names
    ]
    if problems:
        raise ConfigError(
            f"{_KEY}: {display(path)} is not of this network, {config.architecture} with {config.encoder} and "
            f"{config.input_channels} channels ({'; '.join(problems)}). Set the keys of model to those it was trained "
            "with; for the weights of an encoder alone use model.encoder_weights"
        )


def _has_classes(name: str, value: Tensor, class_names: Sequence[str]) -> bool:
    """Whether a tensor of a head has one row a class."""
    return name.startswith(_HEADS) and value.ndim > 0 and value.shape[0] == len(class_names)


def _rows(
    here: Tensor, there: Tensor, class_names: Sequence[str], names_there: Sequence[str]
) -> tuple[Tensor, str | None]:
    """The rows of the classes that both have from `there`, the others from `here`; and which those are, in words."""
    if here.shape[1:] != there.shape[1:]:
        return here, f"{tuple(there.shape)} instead of {tuple(here.shape)}, starts random"
    joined, new = here.clone(), [name for name in class_names if name not in names_there]
    for row, name in enumerate(class_names):
        if name in names_there:
            joined[row] = there[list(names_there).index(name)]
    gone = [name for name in names_there if name not in class_names]
    words = [f"random for {', '.join(new)}"] if new else []
    words += [f"{', '.join(gone)} not used"] if gone else []
    return joined, "; ".join(words) or None


def _reason(name: str) -> str:
    return "which is that of this run's images" if name in _OF_IMAGES else "as this network has no such head"
