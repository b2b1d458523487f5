"""The label audit: the numbers of hand-made faults, each found for its reason, and a ranking that sure faults lead."""

import math

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.audit.labels.edges import Displacement, displacement, translation
from maskfold.audit.labels.evidence import image_evidence
from maskfold.audit.labels.quality import label_quality
from maskfold.audit.labels.ranking import (
    EXCLUDE,
    FINE,
    LIMITS,
    class_limits,
    evidence_row,
    explained,
    rank,
)
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import DEFAULT_RULE

HEIGHT, WIDTH = 120, 160
CLASSES = ("first", "second")


def disc(row, column, radius):
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    return ((rows - row) ** 2 + (columns - column) ** 2 <= radius**2).astype(np.uint8)


def blank():
    return np.zeros((HEIGHT, WIDTH), np.uint8)


def prob_of(mask, sure=1.0):
    """Probabilities of a network that sees the mask, its edge soft: 0.5 + sure / 2 inside, 0.5 - sure / 2 outside."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (5, 5), 0)
    return np.rint(255 * (0.5 + sure * (soft - 0.5))).astype(np.uint8)


def row_of(image_id, labels, probs):
    """The rows of one image, its classes' labels and probabilities given."""
    prob, truth = np.stack(probs), np.stack(labels)
    predicted = np.stack([apply_rule(own, DEFAULT_RULE) for own in prob])
    names = CLASSES[: len(truth)]
    return [
        {"image_id": image_id, "class_name": name, "fold": 0, **evidence_row(evidence, HEIGHT, names)}
        for name, evidence in zip(names, image_evidence(prob, truth, predicted), strict=True)
    ]


def ranked(*images):
    """The ranking of images, (labels, probabilities) each, beside eight whose labels are right."""
    right = [([disc(50, 60 + 5 * number, 30)], [prob_of(disc(50, 60 + 5 * number, 30))]) for number in range(8)]
    rows = [row for number, image in enumerate(right) for row in row_of(f"right{number}", *image)]
    rows += [row for number, image in enumerate(images) for row in row_of(f"image{number}", *image)]
    return rank(pd.DataFrame(rows))


def test_label_quality_is_the_soft_minimum_over_the_pixels():
    prob, truth = np.array([[255, 0, 51]], np.uint8), np.array([[1, 1, 0]], np.uint8)
    # Probabilities of the label 1, 0 and 0.8, weights exp(0), exp(10) and exp(2).
    expected = (1 + 0.8 * math.exp(2)) / (1 + math.exp(10) + math.exp(2))
    assert label_quality(prob, truth) == pytest.approx(expected, rel=1e-6)


def test_an_edge_farther_out_is_measured_in_px():
    seen, label = np.zeros((2, 100, 100), np.uint8)
    seen[30:70, 30:70] = 1
    label[26:74, 26:74] = 1  # 4 px all around
    found = displacement(2 * seen.astype(np.float32) - 1, label, seen, 100)
    assert found.px == 4
    assert found.median_px == pytest.approx(3.5)  # from the centre of the label's outermost pixel to the seen edge
    assert found.gain_px == 48**2 - 40**2  # each pixel of the rim counts 1 while it is wrong, and the gain is its sum
    assert found.agreed_px == 3.5


def test_a_thin_label_is_not_swollen_by_more_than_its_own_depth():
    seen, label = np.zeros((2, 200, 200), np.uint8)
    label[100:107, 20:180] = 1  # 7 px high: 3.5 px deep
    seen[110:113, 20:180] = 1  # a line next to it: nothing of the label is right, at any depth
    found = displacement(2 * seen.astype(np.float32) - 1, label, seen, 200)
    assert found.px <= 3
    assert label[103:104].any()  # the row in the middle is 3 px from the edge: what is left at that level


def test_what_lies_beyond_the_reach_of_an_edge_is_no_moved_edge():
    seen, label = np.zeros((2, 100, 100), np.uint8)
    seen[40:60, 40:60] = 1
    label[20:80, 20:80] = 1  # 20 px farther out, where 5 are looked at
    assert displacement(2 * seen.astype(np.float32) - 1, label, seen, 100) == Displacement()


@pytest.mark.parametrize(("down", "right"), [(8, -4), (-6, 10), (0, 0)])
def test_a_shift_is_measured_in_px(down, right):
    seen = disc(60, 80, 30)
    label = disc(60 + down, 80 + right, 30)
    found = translation(2 * seen.astype(np.float32) - 1, label, HEIGHT)
    assert (found.down_px, found.right_px) == (down, right)
    assert found.gain_px == np.count_nonzero(seen != label)  # each wrong pixel counts 1, and none is left


def faults():
    person = disc(60, 60, 35)
    part = person.copy()
    part[:, :50] = 0
    return {
        "missing part": (part, person),
        "missing object": (person, person | disc(60, 135, 14)),
        "empty by mistake": (blank(), person),
        "stray blob": (person | disc(60, 135, 14), person),
        "swollen edge": (disc(60, 60, 40), person),
        "shrunken edge": (disc(60, 60, 30), person),
        "shifted edge": (disc(68, 52, 35), person),
    }


@pytest.mark.parametrize("reason", faults())
def test_each_fault_is_found_for_its_reason(reason):
    label, seen = faults()[reason]
    table = ranked(([label], [prob_of(seen)]))
    worst = table.iloc[0]
    assert (worst["image_id"], worst["reason"]) == ("image0", reason)
    assert worst["detail"]
    assert worst["score"] >= 0.5 > table["score"].iloc[1]
    assert (table["pile"].iloc[1:] == FINE).all()


def test_the_distance_of_an_edge_is_in_words_to_a_tenth_of_a_pixel():
    row = {"edge_px": 0.5, "edge_gain": 0.2, "shift_gain": 0.1, "shift_down_px": -3, "shift_right_px": 8}
    assert explained("edge", row)[1] == "the label's edge lies about 0.5 px outside the network's"
    assert explained("edge", row | {"edge_px": -3.0})[1] == "the label's edge lies about 3 px inside the network's"
    moved = "the label lies about 3 px higher and 8 px farther right than what the network sees"
    assert explained("shifted", row | {"edge_px": 0.0}) == ("shifted edge", moved)


def test_a_label_of_another_class_is_found_with_the_class_it_should_have():
    thing = disc(60, 60, 30)
    found = ranked(([thing, blank()], [prob_of(blank()), prob_of(thing)]))
    wrong = found[found["image_id"] == "image0"].set_index("class_name")
    assert set(wrong["reason"]) == {"wrong class"}
    assert "second" in wrong.loc["first", "detail"]
    assert "first" in wrong.loc["second", "detail"]
    assert (wrong["pile"] == EXCLUDE).all()
    assert (wrong["missing"] == 0).all()  # the same pixels do not count twice
    assert (wrong["stray"] == 0).all()


def test_what_agrees_is_fine_and_says_nothing():
    label = disc(60, 60, 30)
    certain = ranked(([label], [label * np.uint8(255)]), ([blank()], [blank()])).set_index("image_id")
    for image_id in ("image0", "image1"):
        assert certain.loc[image_id, ["score", "pile", "reason", "detail"]].tolist() == [0.0, FINE, "", ""]
        assert certain.loc[image_id, "label_quality"] == 1


def test_a_sure_small_fault_ranks_above_a_hard_image_that_is_wrong_everywhere():
    person = disc(60, 60, 35)
    hard = ([person], [prob_of(disc(60, 90, 35), sure=0.3)])  # p of 0.35 and 0.65: no idea
    blob = ([person | disc(60, 140, 10)], [prob_of(person)])
    table = ranked(hard, blob).set_index("image_id")
    assert table.loc["image1", "score"] > 0.5 > table.loc["image0", "score"]


def test_a_thin_object_is_missed_too_but_a_thin_edge_is_none():
    crack = blank()
    crack[60:62, 40:120] = 1
    assert ranked(([blank()], [crack * np.uint8(255)])).iloc[0]["reason"] == "empty by mistake"
    person = disc(60, 60, 35)
    row = row_of("a", [person], [prob_of(disc(60, 60, 36))])[0]
    assert row["missing"] == 0


def test_the_order_of_images_does_not_matter():
    images = [([label], [prob_of(seen)]) for label, seen in faults().values()]
    rows = pd.DataFrame([row for number, image in enumerate(images) for row in row_of(str(number), *image)])
    shuffled = rows.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(rank(rows), rank(shuffled), check_like=True)


def test_evidence_does_not_depend_on_the_blank_space_around():
    label, seen = faults()["shifted edge"]
    near = row_of("a", [label], [prob_of(seen)])[0]
    far = row_of("a", [np.roll(label, 40, axis=1)], [np.roll(prob_of(seen), 40, axis=1)])[0]
    for kind in LIMITS:
        assert far[kind] == pytest.approx(near[kind], rel=1e-6)


def strengths(**columns):
    return pd.DataFrame({"true_px": 1, "predicted_px": 1, **dict.fromkeys(LIMITS, 0.0), **columns})


def test_a_hard_class_has_higher_limits():
    # Of eleven labels the 75th percentile lies between the eighth and the ninth, of which the lower counts; the 90th is
    # the tenth.
    missing = [0.0] * 7 + [0.1, 0.3, 0.9, 0.9]
    limits = class_limits(strengths(missing=missing, stray=missing))
    assert limits["missing"] == pytest.approx(3 * 0.1)
    assert limits["stray"] == pytest.approx(1.5 * 0.9)
    assert limits["edge"] == LIMITS["edge"]


def test_objects_that_the_network_often_overlooks_are_fine_but_not_those_it_often_sees():
    one_in_eight = [0.0] * 35 + [0.95] * 5
    assert class_limits(strengths(stray=one_in_eight))["stray"] > 0.95
    assert class_limits(strengths(missing=one_in_eight))["missing"] == LIMITS["missing"]


def test_only_labels_that_could_show_a_fault_set_its_limit():
    rare = strengths(stray=[0.0] * 90 + [0.95] * 10).assign(true_px=[0] * 90 + [100] * 10)
    assert class_limits(rare)["stray"] == pytest.approx(3 * 0.95)  # a hundred images, but ten that show the class
    assert class_limits(rare.iloc[:99])["stray"] == LIMITS["stray"]  # nine are too few to tell


def evidence_of(label, seen, ignored=None):
    prob = prob_of(seen)[None]
    predicted = apply_rule(prob[0], DEFAULT_RULE)[None]
    [found] = image_evidence(prob, label[None], predicted, ignored)
    return found


@pytest.mark.parametrize(
    "fault", ["missing part", "missing object", "empty by mistake", "swollen edge", "shifted edge"]
)
def test_nothing_speaks_against_a_label_where_pixels_are_ignored(fault):
    label, seen = faults()[fault]
    ignored = (
        (label != apply_rule(prob_of(seen), DEFAULT_RULE)) | (np.abs(prob_of(seen).astype(int) - 128) < 126)
    ).astype(np.uint8)
    label = label * (1 - ignored)
    found = evidence_of(label, seen, ignored)
    row = evidence_row(found, HEIGHT, CLASSES[:1])
    assert found.damage == 0 and found.label_quality > 0.99
    assert all(row[kind] == 0 for kind in LIMITS)
    assert evidence_of(label, seen).damage > 0


def test_areas_and_shares_are_those_of_labelled_pixels():
    label, seen = faults()["missing object"]  # a second object of radius 14 at column 135
    ignored = blank()
    ignored[:, :80] = 1  # most of the first
    found = evidence_of(label * (1 - ignored), seen, ignored)
    predicted = apply_rule(prob_of(seen), DEFAULT_RULE)
    assert found.true_px == int(label[:, 80:].sum()) and found.predicted_px == int(predicted[:, 80:].sum())
    assert found.either_px == int((label | predicted)[:, 80:].sum())
    assert found.missing.share > evidence_of(label, seen).missing.share  # the same object, of fewer pixels


def test_an_image_in_which_only_ignored_pixels_are_predicted_is_blank():
    ignored = disc(60, 60, 50)
    assert evidence_of(blank(), disc(60, 60, 35), ignored).either_px == 0
    quality = label_quality(prob_of(disc(60, 60, 35)), blank(), ignored)
    assert quality == pytest.approx(1) and label_quality(prob_of(disc(60, 60, 35)), blank()) < 0.2
