"""Deep supervision: losses at lower resolutions of the decoder, each with a head of its own, in training only.

The heads are no part of the network: model.pt, predictions and exports do not hold them. Source: Lee et al. 2015,
"Deeply-supervised nets"; weights that halve with the resolution as in nnU-Net (Isensee et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from maskfold.config import Experiment, LossConfig
from maskfold.errors import ConfigError
from maskfold.network.exclusive import against_rest
from maskfold.network.model import STRIDE, Outputs, SegmentationModel
from maskfold.pixels.geometry import padded_size

_Loss = Callable[[Outputs, Tensor], Tensor]

_KEY = "loss.deep_supervision"
_TRIAL_SIZE = (4 * STRIDE, 5 * STRIDE)  # (height, width) in px


class DeepSupervision(nn.Module):
    """A 1x1 convolution for each of some stages of the decoder, the finest first."""

    def __init__(self, stages: Sequence[nn.Module], channels: Sequence[int], classes: int, exclusive: bool) -> None:
        """stages: of the decoder, which stay the network's; channels: of each; exclusive: as that of the network."""
        super().__init__()
        self._stages = tuple(stages)  # in a tuple, so that they are no modules of this one
        self.exclusive = exclusive
        self.heads = nn.ModuleList([nn.Conv2d(width, classes, kernel_size=1) for width in channels])

    @contextmanager
    def recorded(self) -> Iterator[list[Tensor]]:
        """What the stages give while the network runs in this block: a list that it fills, the finest first."""
        with _outputs_of(self._stages) as found:
            yield found

    def outputs(self, stages: Sequence[Tensor], count: int) -> list[Outputs]:
        """The masks of the first `count` stages, each (B, C, h, w) logits at the stage's own size."""
        logits = [head(stage) for head, stage in zip(self.heads[:count], stages[:count], strict=True)]
        if not self.exclusive:
            return [Outputs(each, None) for each in logits]
        return [Outputs(masks, None, background) for masks, background in map(against_rest, logits)]


@contextmanager
def _outputs_of(stages: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """A list that holds what each stage gave in its last run."""
    found: list[Tensor] = [torch.empty(0)] * len(stages)

    def _keep(place: int) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_stage: nn.Module, _given: object, output: Tensor) -> None:
            found[place] = output

        return hook

    hooks = [stage.register_forward_hook(_keep(place)) for place, stage in enumerate(stages)]
    try:
        yield found
    finally:
        for each in hooks:
            each.remove()


def deep_supervision_of(model: SegmentationModel, config: Experiment) -> DeepSupervision | None:
    """The heads that the phases of a training need; None without deep supervision.

    Raises ConfigError for a decoder without stages or with too few, and together with train.compile.
    """
    levels = [len(phase.loss.level_weights) for phase in config.train.phases()]
    if not any(levels):
        return None
    for number, count in enumerate(levels):
        if count > levels[0]:
            raise ConfigError(
                f"train.then[{number - 1}].{_KEY}: {count} levels, but the first phase has {levels[0]}; a head that "
                "begins later has not learned: give the first phase as many"
            )
    if config.train.compile:
        raise ConfigError(f"train.{_KEY}: not together with train.compile, which hides the decoder's stages; set one")
    stages = _stages(model, config)
    if len(stages) < levels[0]:
        raise ConfigError(
            f"train.{_KEY}: {levels[0]} levels, but the decoder of {config.model.architecture} has {len(stages)} below "
            "the image's resolution; lower it, or raise model.encoder_depth"
        )
    used = stages[: levels[0]]
    return DeepSupervision(used, _channels(model, config, used), len(config.data.class_names), model.is_exclusive)


def _stages(model: SegmentationModel, config: Experiment) -> list[nn.Module]:
    """The stages of a decoder below the resolution of the image, the finest first."""
    blocks = getattr(model.network.get_submodule("decoder"), "blocks", None)
    if not isinstance(blocks, nn.ModuleList):
        raise ConfigError(
            f"train.{_KEY}: the decoder of {config.model.architecture} has no stages one after the other; take "
            "model.architecture unet, manet or linknet"
        )
    return list(blocks[:-1])[::-1]


def _channels(model: SegmentationModel, config: Experiment, stages: Sequence[nn.Module]) -> list[int]:
    """The channels of what each stage gives, tried with a black image."""
    resize, was_training = config.model.resize, model.training
    size = _TRIAL_SIZE if resize is None or resize.size is None else padded_size(*resize.size, STRIDE)
    model.eval()
    with torch.no_grad(), _outputs_of(stages) as found:
        model(torch.zeros(1, config.model.input_channels, *size, dtype=torch.uint8))
    model.train(was_training)
    return [output.shape[1] for output in found]


def supervised_loss(full: Tensor, levels: Sequence[Outputs], planes: Tensor, config: LossConfig, loss: _Loss) -> Tensor:
    """The mean of the loss at full resolution, weight 1, and those of the levels with their weights.

    full: the loss at full resolution; planes: (B, C or C + 1, H, W), masks and ignored pixels, which a level sees at
    its own size, each pixel the one at its centre, so that masks of zeros and ones stay such; loss: of outputs and
    planes.
    """
    total = full
    for weight, outputs in zip(config.level_weights, levels, strict=True):
        total = total + weight * loss(outputs, interpolate(planes, outputs.mask_logits.shape[2:], mode="nearest-exact"))
    return total / (1 + sum(config.level_weights))
