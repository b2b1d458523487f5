"""Which wrong pixels are missed, a false alarm, of another class or at an edge: by hand and by brute force."""

import itertools

import numpy as np
import pytest

from maskfold.report.error_kinds import KINDS, error_pixels, error_rows, error_table, image_counts, no_errors


def masks(*classes):
    return np.array([[[int(pixel) for pixel in row] for row in rows] for rows in classes], dtype=np.uint8)


def test_one_row_of_each_kind():
    #               missed object    found object, 2 px short on the left and 4 px long on the right     alarm
    truth = masks(["01100000000011111100000000000000"])
    found = masks(["00000000000000111111110000000110"])
    # Left: 2 px missing, 1 and 2 px from the border. Right: 4 px too much, 1 to 4 px from it; the alarm is far away.
    assert error_pixels(truth, found, 3).tolist() == [[2, 2 + 1, 0, 2 + 3]]
    assert error_pixels(truth, found, 1).tolist() == [[2 + 1, 2 + 3, 0, 1 + 1]]
    assert error_pixels(truth, found, 0).tolist() == [[4, 6, 0, 0]]


def test_a_pixel_of_another_class_counts_for_both_classes_and_before_the_edge():
    truth = masks(["111000"], ["000110"])
    found = masks(["110010"], ["001000"])
    # Pixel 2: a misses, b has it. Pixel 3: b misses, nobody has it. Pixel 4: b misses, a has it. b is not found at all.
    assert error_pixels(truth, found, 3).tolist() == [[0, 0, 2, 0], [1, 0, 2, 0]]


def test_classes_that_may_overlap_are_confused_only_where_one_stands_for_the_other():
    truth = masks(["11"], ["11"])
    found = masks(["11"], ["00"])
    assert error_pixels(truth, found, 3).tolist() == [[0, 0, 0, 0], [2, 0, 0, 0]]  # b is missed below a, which is right


def test_the_images_own_border_is_no_edge():
    truth = np.ones((1, 9, 9), np.uint8)
    found = truth.copy()
    found[0, :, 0] = 0
    assert error_pixels(truth, found, 3).tolist() == [[9, 0, 0, 0]]


def slowly(truth, found, edge_px):
    """The same by definition, pixel by pixel."""
    counts = np.zeros((len(truth), len(KINDS)), dtype=np.int64)
    height, width = truth.shape[1:]
    pixels = list(itertools.product(range(height), range(width)))
    for index in range(len(truth)):
        hit = hit_objects(truth[index], found[index], pixels)
        for place in pixels:
            at = (slice(None), *place)
            if truth[index][place] == found[index][place]:
                continue
            if (truth[at] > found[at]).any() and (truth[at] < found[at]).any():
                kind = 2
            elif any(
                (place in hit) != (other in hit)
                and (place[0] - other[0]) ** 2 + (place[1] - other[1]) ** 2 <= edge_px**2
                for other in pixels
            ):
                kind = 3
            else:
                kind = int(found[index][place])
            counts[index, kind] += 1
    return counts


def hit_objects(truth, found, pixels):
    """Pixels of the true objects of which a pixel is predicted."""
    hit = {place for place in pixels if truth[place] and found[place]}
    while True:
        more = {
            place
            for place in pixels
            if truth[place] and any(abs(place[0] - y) <= 1 and abs(place[1] - x) <= 1 for y, x in hit)
        } - hit
        if not more:
            return hit
        hit |= more


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_definition(seed):
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(1, 4)), int(rng.integers(1, 13)), int(rng.integers(1, 13)))
    share = rng.uniform(0.1, 0.6)
    truth, found = ((rng.random(size) < share).astype(np.uint8) for _ in range(2))
    edge_px = int(rng.integers(0, 5))
    counts = error_pixels(truth, found, edge_px)
    assert counts.tolist() == slowly(truth, found, edge_px).tolist()
    assert counts.sum(axis=1).tolist() == (truth != found).sum(axis=(1, 2)).tolist()


def test_images_count_where_a_kind_is_there_and_where_it_is_the_most_frequent():
    counts = no_errors(2)
    for pixels in ([[5, 0, 0, 5], [0, 0, 0, 0]], [[1, 0, 0, 9], [0, 2, 0, 0]]):
        counts += image_counts(np.array(pixels))
    first, second = error_rows(counts, ["a", "b"])
    assert (first["wrong"], first["images"], second["wrong"], second["images"]) == (20, 2, 2, 1)
    missed, alarm, _, edge = first["kinds"]
    assert missed == {
        "kind": "missed",
        "pixels": 6,
        "share": 0.3,
        "images": 2,
        "image_share": 0.5,
    }  # of 5 and 5 the first
    assert (alarm["share"], alarm["images"], alarm["image_share"]) == (0, 0, 0)
    assert (edge["share"], edge["images"], edge["image_share"]) == (0.7, 2, 0.5)
    assert error_table(counts, ["a", "b"]).to_csv().splitlines()[:2] == [
        "class,kind,pixels,images,mostly",
        "a,missed,6,2,1",
    ]


def test_nothing_wrong_has_shares_of_zero():
    (row,) = error_rows(no_errors(1), ["a"])
    assert row["wrong"] == row["images"] == 0 and [kind["share"] for kind in row["kinds"]] == [0] * 4
