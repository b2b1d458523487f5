"""Two changes to smp's decoders: hypercolumns, and depthwise-separable convolutions for mobile encoders."""

from __future__ import annotations

from collections.abc import Sequence

import segmentation_models_pytorch as smp
from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head
from segmentation_models_pytorch.decoders.deeplabv3.decoder import SeparableConv2d
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad


class HypercolumnDecoder(nn.Module):
    """An smp Unet decoder that returns all its stages, not only the last. The weights keep smp's names."""

    def __init__(self, decoder: UnetDecoder) -> None:
        super().__init__()
        self.center = decoder.center
        self.blocks = decoder.blocks

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """features: from (B, in_channels, H, W) down to the deepest. Returns (B, K, h, w) a stage, the last H x W."""
        sizes = [feature.shape[2:] for feature in features[-2::-1]]
        skips: list[Tensor | None] = [*features[-2:0:-1], None]
        stage = self.center(features[-1])
        stages = []
        for block, size, skip in zip(self.blocks, sizes, skips, strict=True):
            stage = block(stage, *size, skip_connection=skip)
            stages.append(stage)
        return stages


class HypercolumnHead(nn.Module):
    """A 3x3 convolution over all decoder stages, upsampled bilinearly to the last one's size and concatenated.

    Hypercolumns are from Hariharan et al. 2015, https://arxiv.org/abs/1411.5752, and in Unets since the best solutions
    of TGS Salt and SIIM-ACR Pneumothorax.

    The concatenation is never made: it would hold 496 channels at full size, 0.8 GB for an image of 256x1600 px. A 3x3
    convolution is nine 1x1 ones, shifted and summed, and a 1x1 convolution commutes with bilinear upsampling. So each
    stage is first reduced, at its own size, to nine maps a class. The result is the same but for rounding.
    """

    def __init__(self, stage_channels: Sequence[int], class_count: int) -> None:
        super().__init__()
        self.stage_channels = tuple(stage_channels)
        self.conv = nn.Conv2d(sum(stage_channels), class_count, kernel_size=3, padding=1)

    def forward(self, stages: list[Tensor]) -> Tensor:
        """stages: one (B, stage_channels[i], h, w) each, the last of full size. Returns (B, C, H, W) logits."""
        size, class_count = stages[-1].shape[2:], self.conv.out_channels
        weights = self.conv.weight.split(self.stage_channels, dim=1)
        logits = conv2d(stages[-1], weights[-1], self.conv.bias, padding=1)
        taps: Tensor | None = None
        for stage, weight in zip(stages[:-1], weights[:-1], strict=True):
            if stage.shape[1] <= 9 * class_count:
                logits = logits + conv2d(_upsampled(stage, size), weight, padding=1)
                continue
            pointwise = weight.permute(2, 3, 0, 1).reshape(9 * class_count, -1, 1, 1)
            upsampled = _upsampled(conv2d(stage, pointwise), size)
            taps = upsampled if taps is None else taps + upsampled
        return logits if taps is None else logits + _shifted_sum(taps, class_count)


def _upsampled(stage: Tensor, size: Sequence[int]) -> Tensor:
    return interpolate(stage, tuple(size), mode="bilinear", align_corners=False)


def _shifted_sum(taps: Tensor, class_count: int) -> Tensor:
    """(B, 9 * C, H, W), the nine taps of a 3x3 kernel row by row, to (B, C, H, W): each tap read where it points."""
    height, width = taps.shape[2:]
    padded = pad(taps, (1, 1, 1, 1))
    total = taps.new_zeros(())
    for tap, maps in enumerate(padded.split(class_count, dim=1)):
        row, column = divmod(tap, 3)
        total = total + maps[:, :, row : row + height, column : column + width]
    return total


def use_hypercolumns(network: smp.Unet, stage_channels: Sequence[int], class_count: int) -> None:
    """Show all decoder stages of an smp Unet, of `stage_channels` channels from the deepest up, to its head."""
    network.decoder = HypercolumnDecoder(network.decoder)
    network.segmentation_head = HypercolumnHead(stage_channels, class_count)
    initialize_head(network.segmentation_head)


def make_separable(decoder: nn.Module) -> int:
    """Replace the plain 3x3 convolutions of a decoder by a depthwise 3x3 and a pointwise 1x1 one.

    As in MobileNet (https://arxiv.org/abs/1704.04861). Returns how many were replaced.
    """
    replaced = 0
    for parent in list(decoder.modules()):
        for name, conv in list(parent.named_children()):
            if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3) and conv.groups == 1:
                separable = SeparableConv2d(
                    conv.in_channels,
                    conv.out_channels,
                    kernel_size=3,
                    stride=conv.stride,
                    padding=conv.padding,
                    dilation=conv.dilation,
                    bias=conv.bias is not None,
                )
                initialize_decoder(separable)
                setattr(parent, name, separable)
                replaced += 1
    return replaced
