"""Tiles of one photo: the eight turns, the fit at a known shift, and pairs found among photos that share nothing."""

import cv2
import numpy as np
import pytest
from benchmarks.drawn.overlapping_tiles import draw_photo, draw_tiles

from maskfold.audit.images.alignment import Small
from maskfold.audit.images.duplicates import TILE, find_pairs
from maskfold.audit.images.fingerprint import normalised, thumbnail
from maskfold.audit.images.image_facts import ImageFacts, measure_image
from maskfold.audit.images.local_features import PATCH, local_features
from maskfold.audit.images.shared_features import EVERY_PAIR, tile_candidates
from maskfold.audit.images.tile_alignment import tile_fit
from maskfold.audit.images.turns import TURNS, Turn, in_words, turned
from maskfold.data.images.photo import Photo


def photo(seed):
    return cv2.cvtColor(draw_photo(np.random.default_rng(seed))[0], cv2.COLOR_RGB2GRAY)


def small(grey):
    return Small(normalised(thumbnail(grey)), grey.shape)


def facts_of(paths):
    found = [measure_image(Photo(path), *cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).shape) for path in paths]
    assert all(isinstance(fact, ImageFacts) for fact in found)
    return found


def test_quarter_turns_are_those_of_numpy_and_all_turns_differ():
    image = np.arange(6).reshape(2, 3)
    assert np.array_equal(turned(image, Turn(True, True, False)), np.rot90(image))
    assert np.array_equal(turned(image, Turn(True, False, True)), np.rot90(image, -1))
    assert in_words(Turn(True, True, False)) == "quarter turn left"
    square = np.arange(9).reshape(3, 3)
    assert len({turned(square, turn).tobytes() for turn in TURNS}) == 8
    assert len({in_words(turn) for turn in TURNS}) == 8


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_tile_lies_where_it_was_cut(turn):
    whole = photo(0)
    first, second = whole[:200, :240], whole[80:280, 100:340]  # 120 x 140 of 200 x 240 px are shared: 35 %
    undone = Turn(turn.transposed, *((turn[1], turn[2]) if not turn.transposed else (turn[2], turn[1])))
    cut = np.ascontiguousarray(turned(second, undone))
    assert np.array_equal(turned(cut, turn), second)
    fit = tile_fit(small(first), small(cut), turn)
    assert fit.likeness > 0.9 and fit.frame == (200.0, 240.0)
    assert np.allclose(fit.shift, (80, 100), atol=1)


def test_other_photos_do_not_fit_under_any_turn():
    found = [tile_fit(small(photo(1)[:256, :256]), small(photo(2)[:256, :256]), turn).likeness for turn in TURNS]
    assert max(found) < TILE - 0.1


def test_places_are_blobs_with_their_surroundings():
    dots = np.zeros((60, 80), np.float32)
    dots[20, 30] = dots[40, 60] = 5
    dots[3, 3] = 5  # too near the edge
    found = local_features(cv2.GaussianBlur(dots, (0, 0), 1.5))
    strongest = {tuple(place) for place in found.places.tolist()[:2]}
    assert strongest == {(20, 30), (40, 60)}
    assert found.patches.shape[1:] == (PATCH, PATCH)
    assert len(local_features(np.zeros((60, 80), np.float32)).places) == 0
    assert len(local_features(np.zeros((5, 300), np.float32)).places) == 0


@pytest.mark.parametrize("photos", [12, 40])  # fewer and more images than EVERY_PAIR
def test_tiles_that_share_two_fifths_are_found_and_nothing_else(tmp_path, photos):
    assert (2 * photos <= EVERY_PAIR) == (photos == 12)
    made = draw_tiles(tmp_path, photos)
    paths = sorted((tmp_path / "train_images").iterdir())
    pairs = find_pairs(paths, facts_of(paths), 1)
    found = {frozenset((paths[pair.first].name, paths[pair.second].name)) for pair in pairs}
    assert found >= {names for names, overlap in made.items() if overlap >= 0.4}
    assert found <= set(made)


def test_images_without_structure_have_no_candidates(tmp_path):
    for number in range(EVERY_PAIR + 1):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 40), number, np.uint8))
    paths = sorted(tmp_path.iterdir())
    assert tile_candidates(facts_of(paths)) == []
    assert find_pairs(paths, facts_of(paths), 1) == []


def smooth(rng, shape, sigma=8.0):
    """Grey values without detail: of any two such images some parts fit by chance."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return np.clip(128 + 45 * noise / noise.std(), 0, 255).astype(np.uint8)


def boxed(rng, shape):
    """A smooth dark image with a bright box, which others have at the same place."""
    image = smooth(rng, shape) // 3
    image[10:30, 10:40] += 150
    return image


def stripes(rng, shape):
    """Lines of one direction and width, which fit at many shifts."""
    step = rng.uniform(0.15, 0.4)
    across = np.arange(shape[1]) * np.cos(angle := rng.uniform(0, np.pi))
    down = np.arange(shape[0]) * np.sin(angle)
    return np.clip(128 + 60 * np.sin(step * (across + down[:, None])) + rng.normal(0, 4, shape), 0, 255).astype(
        np.uint8
    )


@pytest.mark.parametrize("draw", [smooth, boxed, stripes])
def test_small_images_without_detail_are_no_parts_of_one_photo(tmp_path, draw):
    rng = np.random.default_rng(5)
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), draw(rng, (64, 80)))
    paths = sorted(tmp_path.iterdir())
    assert "tile" not in {pair.kind for pair in find_pairs(paths, facts_of(paths), 1)}


def test_parts_of_a_smooth_photo_are_found(tmp_path):
    whole = smooth(np.random.default_rng(6), (160, 160), 5.0)
    for name, part in {"a": whole[:110, :110], "b": np.rot90(whole[30:140, 20:130])}.items():
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), part)
    cv2.imwrite(str(tmp_path / "c.jpg"), smooth(np.random.default_rng(7), (110, 110), 5.0))
    paths = sorted(tmp_path.iterdir())
    [pair] = find_pairs(paths, facts_of(paths), 1)
    assert (pair.first, pair.second, pair.kind) == (0, 1, "tile")
