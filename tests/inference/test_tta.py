"""Views and the way back: what was seen and undone is what it was."""

import pytest
import torch

from maskfold.config import InferenceConfig
from maskfold.config.inference import view_names
from maskfold.inference.tta import tta_views


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


@pytest.mark.parametrize("names", [("hflip",), ("vflip",), ("hflip", "vflip"), ("rot180",), ("rot90",)])
@pytest.mark.parametrize("size", [(32, 64), (96, 32)])
def test_every_view_of_what_is_no_square_is_undone(names, size):
    pixels = torch.arange(size[0] * size[1], dtype=torch.float32).reshape(1, 1, *size)
    for view in tta_views(names, size):
        assert torch.equal(view.undo(view.see(pixels), size), pixels)


def test_flips_by_hand():
    pixels = torch.tensor([[[[1, 2, 3], [4, 5, 6]]]])
    seen = {name: tta_views((name,), (2, 3))[1].see(pixels)[0, 0].tolist() for name in ("hflip", "vflip", "rot180")}
    assert seen == {"hflip": [[3, 2, 1], [6, 5, 4]], "vflip": [[4, 5, 6], [1, 2, 3]], "rot180": [[6, 5, 4], [3, 2, 1]]}


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [((64, 96), "scale0.5", (32, 64)), ((32, 160), "scale0.5", (32, 64)), ((64, 160), "scale2", (128, 320))],
)
def test_scaled_sides_are_multiples_of_the_stride_and_never_none(size, scale, expected):
    # 96 and 160 times 0.5 are 1.5 and 2.5 strides, and halves go to the even number.
    views = tta_views((scale,), size)
    assert views[1].see(torch.zeros(1, 3, *size)).shape[2:] == expected
    assert views[1].undo(torch.zeros(1, 1, *expected), size).shape[2:] == size


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
    with pytest.raises(ValueError, match="used twice"):
        InferenceConfig(tta=names)


@pytest.mark.parametrize("name", ["hfilp", "scale3", "scale1", "scale0.2", "scale"])
def test_unknown_views_are_refused(name):
    with pytest.raises(ValueError, match=r"expected hflip, vflip, rot180, rot90, or scale0\.5 to scale2"):
        InferenceConfig(tta=(name,))


def test_views_have_names_in_their_order():
    assert view_names([]) == ["image"]
    assert view_names(["hflip", "scale1.25"]) == ["image", "hflip", "scale1.25", "hflip+scale1.25"]
    turned = ["image", "rot90", "rot180", "rot270", "vflip", "vflip+rot90", "vflip+rot180", "vflip+rot270"]
    assert view_names(["vflip", "rot90"]) == turned
    assert view_names(["vflip", "rot90"], square=False) == ["image", "rot180", "vflip", "vflip+rot180"]


def test_each_name_is_its_view():
    pixels = torch.arange(32 * 32, dtype=torch.float32).reshape(1, 1, 32, 32)

    def seen(name):
        (view,) = tta_views(("vflip", "rot90"), (32, 32), {name: 2.0})
        assert view.weight == 2.0
        return view.see(pixels)

    assert torch.equal(seen("image"), pixels)
    assert torch.equal(seen("rot180"), pixels.flip(2, 3))
    assert torch.equal(seen("vflip"), pixels.flip(2))
    assert torch.equal(seen("vflip+rot90"), pixels.flip(2).rot90(1, (2, 3)))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"hflp": 1.0}, "expected weights of 0 or more for image, hflip"),
        ({"image": -1.0, "hflip": 2.0}, "expected weights of 0 or more"),
        ({}, "at least one view"),
        ({"image": 0.0}, "at least one view"),
    ],
)
def test_weights_of_views_that_cannot_be_used_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        InferenceConfig(tta=("hflip",), view_weights=weights)


def test_quarter_turns_alone_would_leave_wide_images_without_a_view():
    with pytest.raises(ValueError, match="images of every form"):
        InferenceConfig(tta=("rot90",), view_weights={"rot90": 1.0})


@pytest.mark.parametrize("axis", [2, 3])
def test_what_is_shrunk_is_averaged_over_all_its_pixels(axis):
    # Half the size: a pixel is the mean of four with weights of 1/8, 3/8, 3/8, 1/8, so that none is passed over.
    column = torch.zeros(1, 1, 64, 64).index_fill_(axis, torch.tensor([5]), 80)
    expected = torch.zeros(1, 1, 32, 32).index_fill_(axis, torch.tensor([2]), 30)
    expected.index_fill_(axis, torch.tensor([3]), 10)
    assert torch.allclose(tta_views(("scale0.5",), (64, 64))[1].see(column), expected)
    assert torch.allclose(tta_views(("scale2",), (32, 32))[1].undo(column, (32, 32)), expected)
