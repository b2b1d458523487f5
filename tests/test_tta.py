"""Views and the way back: what was seen and undone is what it was."""

import pytest
import torch

from maskfold.config import InferenceConfig
from maskfold.tta import tta_views


@pytest.mark.parametrize(
    ("names", "count"),
    [((), 1), (("hflip",), 2), (("hflip", "vflip"), 4), (("rot180",), 2), (("rot90",), 4), (("hflip", "rot90"), 8)],
)
def test_every_view_of_a_square_is_another_and_is_undone(names, count):
    pixels = torch.arange(32 * 32, dtype=torch.float32).reshape(1, 1, 32, 32)
    views = tta_views(names, (32, 32))
    seen = [view.see(pixels) for view in views]
    assert len({tuple(each.flatten().tolist()) for each in seen}) == len(views) == count
    assert torch.equal(seen[0], pixels)
    assert all(torch.equal(view.undo(each, (32, 32)), pixels) for view, each in zip(views, seen, strict=True))


def test_what_is_no_square_gets_no_quarter_turn():
    pixels = torch.arange(32 * 64, dtype=torch.float32).reshape(1, 1, 32, 64)
    views = tta_views(("rot90",), (32, 64))
    assert [view.see(pixels).shape[2:] for view in views] == [(32, 64)] * 2
    assert torch.equal(views[1].see(pixels), pixels.flip(2, 3))


def test_scales_keep_the_stride_and_come_back():
    views = tta_views(("vflip", "scale1.5"), (64, 96))
    assert len(views) == 4
    pixels = torch.full((1, 3, 64, 96), 7, dtype=torch.uint8)
    assert views[2].see(pixels).shape[2:] == (96, 128)  # 144 is no multiple of 32; of the two nearest the even one
    prob = torch.linspace(0, 1, 64).view(1, 1, 64, 1).expand(1, 1, 64, 96)
    large = torch.nn.functional.interpolate(prob, (96, 128), mode="bilinear")
    assert torch.allclose(views[2].undo(large, (64, 96)), prob, atol=0.02)
    assert torch.allclose(views[3].undo(large.flip(2), (64, 96)), prob, atol=0.02)


@pytest.mark.parametrize(
    "names", [("hflip", "vflip", "rot180"), ("rot90", "rot180"), ("hflip", "vflip", "rot90"), ("hflip", "hflip")]
)
def test_views_seen_twice_are_refused(names):
    with pytest.raises(ValueError, match="seen twice"):
        InferenceConfig(tta=names)


@pytest.mark.parametrize("name", ["hfilp", "scale3", "scale1", "scale0.2", "scale"])
def test_unknown_views_are_refused(name):
    with pytest.raises(ValueError, match=r"is none of hflip, vflip, rot180, rot90, scale0\.5 to scale2"):
        InferenceConfig(tta=(name,))
