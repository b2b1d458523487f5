"""The audit of labels: areas, overlaps and borders by hand; what readers let pass; train told from test."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.audit.data.audit import open_tolerantly
from maskfold.audit.data.charts import log_ticks
from maskfold.audit.data.label_facts import (
    class_table,
    measure_labels,
    overlap_table,
    read_masks,
)
from maskfold.audit.data.separability import LEAST_IMAGES, separability
from maskfold.audit.data.tables import problem_rows
from maskfold.config import CocoData, MaskFoldersData, PathsCsvData
from maskfold.data.competition import Competition
from maskfold.errors import DataError


class Given:
    """Masks by image id; None cannot be read."""

    def __init__(self, masks):
        self.masks = masks

    def __call__(self, image_id):
        if self.masks[image_id] is None:
            raise DataError([f"{image_id}: broken"])
        return self.masks[image_id]


def competition_of(masks):
    train = pd.DataFrame({"image_id": list(masks), "path": "", "height": 10, "width": 10})
    return Competition(("a", "b"), train, train.iloc[:0], Given(masks))


def test_areas_objects_borders_and_overlaps_by_hand():
    first = np.zeros((2, 10, 10), np.uint8)
    first[0, 0:2, 0:3] = 1  # 6 px at the border
    first[0, 5:7, 5:7] = 1  # 4 px inside
    first[1, 6:8, 6:8] = 1  # 4 px, one of them over class a
    empty = np.zeros_like(first)
    facts = measure_labels(competition_of({"one": first, "two": empty, "three": None}), 1)
    rows = facts.areas.to_dict("records")
    assert [tuple(row.values()) for row in rows] == [
        ("one", "a", 10, 0.1, 2, 4, 6, 1),
        ("one", "b", 4, 0.04, 1, 4, 4, 0),
    ]
    assert facts.empty == ["two"] and facts.labelled == ("one", "two")
    assert facts.problems == {"three": "three: broken"}
    assert overlap_table(facts).to_dict("records") == [
        {"class_name": "a", "other_class": "b", "images": 1, "pixels": 1}
    ]


def test_the_natural_minimum_is_the_first_percentile_without_strays():
    masks = {}
    for number in range(100):
        mask = np.zeros((2, 10, 50), np.uint8)
        mask[0].ravel()[: 1 if number == 0 else 100 + number] = 1
        masks[f"{number}"] = mask
    table = class_table(measure_labels(competition_of(masks), 2), ("a", "b")).set_index("class_name")
    assert table.loc["a", ["images", "min_px", "max_px", "strays"]].tolist() == [100, 1, 199, 1]
    assert table.loc["a", "natural_min_px"] == 101  # of 101 … 199 the first percentile is 101.98
    assert table.loc["b", "images"] == 0 and np.isnan(table.loc["b", "natural_min_px"])


def test_tables_of_nothing_have_their_columns():
    facts = measure_labels(competition_of({"one": np.zeros((2, 4, 4), np.uint8)}), 1)
    assert len(facts.areas) == 0 and len(overlap_table(facts)) == 0
    assert class_table(facts, ("a", "b"))["images"].tolist() == [0, 0]


def grey(path, seed=0, shape=(12, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def mask_file(path, shape=(12, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(shape, np.uint8)
    mask[2:5, 2:8] = 255
    cv2.imwrite(str(path), mask)


def test_mask_folders_keep_what_is_whole(tmp_path):
    for number in range(5):
        grey(tmp_path / f"train/{number}.png", number)
    mask_file(tmp_path / "train_mask/0.png")
    mask_file(tmp_path / "train_mask/1.png", (6, 6))
    (tmp_path / "train_mask/2.png").write_text("no image")
    mask_file(tmp_path / "train_mask/4.png")
    (tmp_path / "train/4.png").write_bytes(b"")
    competition, problems = open_tolerantly(MaskFoldersData(root=str(tmp_path), test_images=None))
    assert len(problems) == 4
    assert competition.train["image_id"].tolist() == ["0", "1", "2", "3"]
    assert not isinstance(read_masks(competition, "0"), str)
    assert all(isinstance(read_masks(competition, name), str) for name in "123")  # other size, no image, no mask


def test_a_csv_of_paths_keeps_what_is_whole(tmp_path):
    grey(tmp_path / "a.png")
    grey(tmp_path / "b.png", 1)
    mask_file(tmp_path / "m.png")
    (tmp_path / "train.csv").write_text("image,mask\na.png,m.png\nb.png,gone.png\ngone.png,m.png\n")
    competition, problems = open_tolerantly(PathsCsvData(root=str(tmp_path)))
    assert len(problems) == 2
    assert competition.train["image_id"].tolist() == ["a", "b"]
    assert isinstance(read_masks(competition, "b"), str) and not isinstance(read_masks(competition, "a"), str)


def coco(tmp_path, annotations):
    for name in ("a.png", "b.png"):
        grey(tmp_path / "train/images" / name)
    images = [{"id": n, "file_name": name, "height": 12, "width": 16} for n, name in enumerate(("a.png", "b.png"))]
    text = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (tmp_path / "train/coco_annotations.json").write_text(json.dumps(text))
    return CocoData(root=str(tmp_path), class_names=("thing",))


def test_a_coco_json_keeps_the_annotations_that_are_whole(tmp_path):
    square = [[2, 2, 6, 2, 6, 6, 2, 6]]
    data = coco(
        tmp_path,
        [
            {"id": 1, "image_id": 0, "category_id": 1, "segmentation": square},
            {"id": 2, "image_id": 0, "category_id": 1, "segmentation": [[1, 1]]},
            {"id": 3, "image_id": 1, "category_id": 7, "segmentation": square},
            {"id": 4, "image_id": 9, "category_id": 1, "segmentation": square},
        ],
    )
    for _ in range(2):  # nothing is remembered of a json with problems
        competition, problems = open_tolerantly(data)
        assert sorted(line.partition("annotation ")[2][0] for line in problems) == ["2", "3", "4"]
    assert competition.masks("a.png").sum() == 16
    assert competition.masks("b.png").sum() == 0


def test_a_coco_json_that_is_none_leaves_nothing_to_audit(tmp_path):
    data = coco(tmp_path, [])
    (tmp_path / "train/coco_annotations.json").write_text("{")
    with pytest.raises(DataError, match="coco_annotations"):
        open_tolerantly(data)


def test_problems_are_taken_apart_into_file_and_place():
    assert problem_rows(
        [
            "/d/train.csv, row 7: bad run lengths of 'a', class 1: 3 numbers",
            "/d/x.jpg: cannot be decoded; the file is truncated",
            "no file at all",
        ]
    ) == [
        ("train.csv", "row 7", "bad run lengths of 'a', class 1: 3 numbers"),
        ("x.jpg", "", "cannot be decoded; the file is truncated"),
        ("", "", "no file at all"),
    ]


def statistics(shift):
    rng = np.random.default_rng(0)
    is_test = np.arange(400) % 4 == 0
    table = pd.DataFrame({"mean": rng.normal(0, 1, 400) + shift * is_test, "std": rng.normal(0, 1, 400), "same": 1.0})
    return table, is_test


def test_a_shifted_statistic_is_seen_and_named():
    table, is_test = statistics(3.0)
    found = separability(table, is_test, np.arange(400), 0)
    assert found is not None and found.auc > 0.95
    assert found.statistics["statistic"].tolist() == ["mean", "std"]
    # The variance of the rank sum under one distribution: (n1 + n2 + 1) / (12 n1 n2).
    assert found.chance_error == pytest.approx((401 / (12 * 100 * 300)) ** 0.5)
    assert found.in_words == "clearly separable"


def test_equal_distributions_are_not_told_apart():
    found = separability(*statistics(0.0), np.arange(400), 0)
    assert found is not None and abs(found.auc - 0.5) < 3 * found.chance_error
    assert found.in_words == "not separable beyond chance"


def test_copies_do_not_help_to_tell_apart():
    # Every image has nine copies on its own side: without sets the classifier would know them again.
    rng = np.random.default_rng(1)
    values = np.repeat(rng.normal(0, 1, (60, 4)), 10, axis=0)
    sets = np.repeat(np.arange(60), 10)
    table = pd.DataFrame(values, columns=list("abcd"))
    naive = separability(table, sets % 2 == 0, np.arange(600), 0)
    honest = separability(table, sets % 2 == 0, sets, 0)
    assert naive is not None and honest is not None
    assert naive.auc > 0.95 > 0.75 > honest.auc


def test_too_few_images_give_no_answer():
    table, is_test = statistics(1.0)
    assert separability(table, np.arange(400) < LEAST_IMAGES - 1, np.arange(400), 0) is None
    assert separability(table, ~is_test & False, np.arange(400), 0) is None


def test_images_that_all_look_alike_or_come_from_few_sources_give_no_answer():
    table, is_test = statistics(1.0)
    assert separability(table[["same"]], is_test, np.arange(400), 0) is None
    assert separability(table, is_test, is_test.astype(int), 0) is None


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (36, 97, [36, 50, 70, 97]),
        (90, 110, [90, 96, 100, 110]),
        (1, 1e6, [1, 100, 10_000, 1_000_000]),
        (0.9, 2.2, [1, 2]),
    ],
)
def test_ticks_of_areas_are_few_and_lie_inside(low, high, ticks):
    assert log_ticks(low, high) == ticks
