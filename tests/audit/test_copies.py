"""The search for copies: alignment, fingerprints, conflicts and groups, against numbers worked out by hand."""

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.audit.data.conflicts import agreement, compare_labels, laid_over
from maskfold.audit.images.alignment import (
    Fit,
    Small,
    best_fit,
    correlate,
)
from maskfold.audit.images.candidates import candidate_pairs
from maskfold.audit.images.duplicates import Pair, exact_copies, find_pairs
from maskfold.audit.images.fingerprint import (
    FINGERPRINT,
    THUMB_PX,
    fingerprint,
    flip_signs,
    normalised,
    packed,
    thumbnail,
    unpacked,
)
from maskfold.audit.images.grouping import linked, proposed_groups
from maskfold.audit.images.image_facts import STATISTICS, ImageFacts, measure_image
from maskfold.audit.images.turns import FLIPS, Turn, turned
from maskfold.data.competition import Competition
from maskfold.data.groups import read_groups
from maskfold.data.images.photo import Photo
from maskfold.errors import DataError


def texture(seed, height=90, width=120):
    """(height, width) uint8: blurred noise."""
    noise = np.random.default_rng(seed).normal(0, 60, (height, width)).astype(np.float32)
    return np.clip(128 + 4 * cv2.GaussianBlur(noise, (0, 0), 3), 0, 255).astype(np.uint8)


def small(grey):
    return Small(normalised(thumbnail(grey)), grey.shape)


@pytest.mark.parametrize("shift", [(0, 0), (7, -5), (-11, 9)])
def test_the_shift_of_a_cut_is_found_to_the_pixel(shift):
    whole = texture(0, 140, 160)
    first = whole[20:110, 20:140]
    second = whole[20 + shift[0] : 110 + shift[0], 20 + shift[1] : 140 + shift[1]]
    likeness, down, right = correlate(normalised(first), normalised(second))
    assert (down, right) == shift
    assert likeness > 0.95


def test_a_smaller_cut_fits_at_its_place_and_scale():
    whole = texture(1, 100, 100)
    fit = best_fit(small(whole), small(whole[10:80, 25:95]), FLIPS[0])
    assert fit.frame == (70.0, 70.0)
    assert fit.shift == (10.0, 25.0)
    assert fit.likeness > 0.95


def test_other_images_do_not_fit():
    found = [best_fit(small(texture(2)), small(texture(seed)), flip).likeness for seed in (3, 4, 5) for flip in FLIPS]
    assert max(found) < 0.4


def test_a_blank_image_is_like_nothing():
    blank = np.full((50, 50), 7, np.uint8)
    assert best_fit(small(blank), small(blank), FLIPS[0]).likeness == 0
    assert not fingerprint(blank).any()


@pytest.mark.parametrize("flip", FLIPS)
def test_signs_turn_a_fingerprint_into_that_of_the_flipped_image(flip):
    image = texture(6)
    other = fingerprint(np.ascontiguousarray(turned(image, flip)))
    assert np.allclose(other, fingerprint(image) * flip_signs(flip), atol=1e-4)
    assert np.array_equal(turned(turned(image, flip), flip), image)


def test_light_and_contrast_do_not_change_a_fingerprint():
    image = texture(7)
    ramp = np.linspace(-30, 30, image.shape[1])
    darker = np.clip(image * 0.6 + 30 + ramp, 0, 255).astype(np.uint8)
    assert float(fingerprint(image) @ fingerprint(darker)) > 0.97
    assert np.linalg.norm(fingerprint(image)) == pytest.approx(1, abs=1e-5)
    assert abs(float(fingerprint(image) @ fingerprint(texture(8)))) < 0.5


def test_thumbnails_keep_the_ratio_and_are_never_enlarged():
    assert thumbnail(np.zeros((256, 1600), np.uint8)).shape == (44, 277)
    assert THUMB_PX >= 44 * 277
    tiny = texture(9, 20, 30)
    assert np.array_equal(thumbnail(tiny), tiny)


def test_packing_loses_less_than_a_step():
    values = normalised(texture(10))
    assert np.abs(unpacked(packed(texture(10))) - np.clip(values, -127 / 32, 127 / 32)).max() <= 1 / 64


def test_candidates_are_the_near_ones_under_their_flip():
    vectors = np.zeros((4, FINGERPRINT), np.float32)
    vectors[0, [1, 5]] = 0.6, 0.8
    vectors[1] = vectors[0]
    vectors[2] = vectors[0] * flip_signs(Turn(False, False, True))  # odd frequencies along the width change sign
    vectors[3, 30] = 1
    found = {pair for block in candidate_pairs(vectors) for pair in block}
    assert found == {(0, 1, 0), (0, 2, 1), (1, 2, 1), (0, 1, 2), (0, 2, 3), (1, 2, 3)}


def facts_of(paths):
    found = [measure_image(Photo(path), *cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape[:2]) for path in paths]
    assert all(isinstance(fact, ImageFacts) for fact in found)
    return found


def test_exact_copies_of_any_number_make_one_list(tmp_path):
    images = {"a.png": texture(11), "b.png": texture(12), "c.png": texture(11), "d.png": texture(11)}
    for name, grey in images.items():
        cv2.imwrite(str(tmp_path / name), grey)
    paths = [tmp_path / name for name in images]
    assert exact_copies(paths, facts_of(paths)) == {0: [0, 2, 3], 1: [1]}
    assert [(pair.first, pair.second, pair.kind) for pair in find_pairs(paths, facts_of(paths), 1)] == [
        (0, 2, "exact"),
        (0, 3, "exact"),
    ]


def test_large_images_that_differ_in_a_pixel_are_no_exact_copies(tmp_path):
    large = cv2.resize(texture(13), (1400, 1200), interpolation=cv2.INTER_CUBIC)
    other = large.copy()
    other[600, 700] ^= 1
    for name, grey in (("a.png", large), ("b.png", other)):
        cv2.imwrite(str(tmp_path / name), grey)
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    (pair,) = find_pairs(paths, facts_of(paths), 1)
    assert pair.kind == "near"


def test_the_answer_does_not_depend_on_threads(tmp_path):
    for seed in range(6):
        cv2.imwrite(str(tmp_path / f"{seed}.jpg"), texture(20 + seed // 2), [cv2.IMWRITE_JPEG_QUALITY, 70 + seed])
    paths = sorted(tmp_path.iterdir())
    facts = facts_of(paths)
    one, three = find_pairs(paths, facts, 1), find_pairs(paths, facts, 3)
    assert one == three
    assert {(pair.first, pair.second) for pair in one} == {(0, 1), (2, 3), (4, 5)}


def test_measuring_names_what_a_file_holds(tmp_path):
    grey, deep = np.full((10, 20), 50, np.uint8), np.full((10, 20), 50 * 257, np.uint16)
    grey[:, 10:] = 150
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    cv2.imwrite(str(tmp_path / "colour.jpg"), np.dstack([grey] * 3))
    np.save(tmp_path / "five.npy", np.zeros((10, 20, 5), np.uint8))
    (tmp_path / "bad.png").write_text("nothing")
    shown = {}
    for name in ("grey.png", "deep.png", "colour.jpg", "five.npy"):
        fact = measure_image(Photo(tmp_path / name), 10, 20)
        assert isinstance(fact, ImageFacts)
        shown[name] = (fact.form, fact.mode, fact.bits, fact.channels)
    assert shown == {
        "grey.png": ("PNG", "L", 8, 1),
        "deep.png": ("PNG", "I;16", 16, 1),
        "colour.jpg": ("JPEG", "RGB", 8, 3),
        "five.npy": ("NPY", "npy", 8, 5),
    }
    fact = measure_image(Photo(tmp_path / "grey.png"), 10, 20)
    assert isinstance(fact, ImageFacts)
    assert fact.statistics[[4, 5]].tolist() == [100, 50]  # mean and standard deviation of half 50, half 150
    assert isinstance(measure_image(Photo(tmp_path / "bad.png"), 10, 20), DataError)


def test_agreement_is_dice_with_slack():
    first, second = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    first[5:10, 5:10] = 1
    second[5:10, 7:12] = 1
    assert agreement(first, second, 0) == pytest.approx(15 * 2 / 50)  # three of five columns meet
    assert agreement(first, second, 2) == 1
    assert agreement(first, np.zeros_like(first), 5) == 0
    assert agreement(np.zeros_like(first), np.zeros_like(first), 0) == 1


@pytest.mark.parametrize("flip", FLIPS)
def test_a_mask_is_laid_over_as_its_image_is(flip):
    mask = np.zeros((12, 16), np.uint8)
    mask[2:5, 3:9] = 1
    laid, seen = laid_over(np.ascontiguousarray(turned(mask, flip)), Fit(1, flip, (12, 16), (0, 0)), (12, 16))
    assert np.array_equal(laid, mask) and seen.all()
    laid, seen = laid_over(mask[1:, 2:], Fit(1, FLIPS[0], (11, 14), (1, 2)), (12, 16))
    assert np.array_equal(laid, mask) and seen.sum() == 11 * 14
    laid, _ = laid_over(np.kron(mask, np.ones((2, 2), np.uint8)), Fit(1, FLIPS[0], (12, 16), (0, 0)), (12, 16))
    assert np.array_equal(laid, mask)


@pytest.mark.parametrize("flip", FLIPS)
def test_copies_are_not_compared_where_pixels_are_ignored(flip):
    labelled, unknown = np.zeros((2, 20, 30), np.uint8)
    labelled[3:9, 4:14] = 1
    unknown[2:10, 3:15] = 1  # the copy's object, which nobody labelled
    masks = {"a": labelled[None], "b": 0 * labelled[None]}
    void = {"a": 0 * unknown, "b": np.ascontiguousarray(turned(unknown, flip))}
    table = pd.DataFrame({"image_id": ["a", "b"]})
    competition = Competition(("x",), table, table.iloc[:0], masks.__getitem__)
    pairs = [("a", "b", Pair(0, 1, "exact", Fit(1, flip, (20, 30), (0, 0))))]
    grey = {name: plane[0] for name, plane in masks.items()}.__getitem__
    assert compare_labels(competition, pairs, 1, grey).conflicts["first_px"].tolist() == [60]
    assert compare_labels(replace(competition, ignored=void.__getitem__), pairs, 1, grey).conflicts.empty
    other = {name: np.roll(plane, 10, axis=1) for name, plane in void.items()}  # beside the object of a
    assert len(compare_labels(replace(competition, ignored=other.__getitem__), pairs, 1, grey).conflicts) == 1


def test_sets_and_given_groups_join_into_groups(tmp_path):
    sets = linked(6, [(0, 2), (2, 5)])
    assert sets.tolist() == [0, 1, 0, 2, 3, 0]
    train = pd.DataFrame({"image_id": list("abcd"), "group": ["x", "y", "z", "y"]})
    groups = proposed_groups(train, sets[:4])
    assert groups["GroupId"].tolist() == ["g1", "g2", "g1", "g2"]  # a and c are copies, b and d are given
    groups.to_csv(tmp_path / "groups.csv", index=False)
    assert read_groups(tmp_path / "groups.csv", list("abcd")) == dict(zip("abcd", groups["GroupId"], strict=True))
    alone = proposed_groups(train[["image_id"]], np.arange(4))
    assert alone["GroupId"].tolist() == ["g1", "g2", "g3", "g4"]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
def test_an_image_one_pixel_wide_has_facts(tmp_path, size):
    cv2.imwrite(str(tmp_path / "a.png"), np.arange(size[0] * size[1], dtype=np.uint8).reshape(size))
    fact = measure_image(Photo(tmp_path / "a.png"), *size)
    gradient = fact.statistics[STATISTICS.index("gradient")]
    assert gradient == (0 if size == (1, 1) else 1)
