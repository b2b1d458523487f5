"""data.format: auto with keys of a format: what the config says is used, and the rest is found out."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from maskfold.config import load_config
from maskfold.data.opening import open_competition
from maskfold.data.recognition.recognise import recognised
from maskfold.errors import ConfigError, DataError
from maskfold.pixels.rle import encode

SQUARE = np.zeros((24, 40), np.uint8)
SQUARE[4:14, 6:18] = 1  # 120 px


def section(root, text):
    """The data section of a config file with `auto`, this root and these keys more."""
    file = root.parent / "given.yaml"
    file.write_text(f"name: x\ndata: {{format: auto, root: '{root}', {text}}}\n")
    return load_config(file).data


def opened(root, text):
    return open_competition(section(root, text))


def areas(competition):
    return [competition.masks(name).sum(axis=(1, 2)).tolist() for name in competition.train["image_id"]]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def masks(root, values, folder="masks", images="images"):
    for number in range(4):
        write(root / images / f"p{number}.png", np.full((24, 40), 90, np.uint8))
        write(root / folder / f"p{number}.png", values(number) if callable(values) else values)


def coco(root, category="cigarette", **more):
    for name in ("a.png", "b.png"):
        write(root / "train" / name, np.full((24, 40), 90, np.uint8))
    polygon = [[6, 4, 17, 4, 17, 13, 6, 13]]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 24, "width": 40}],
        "categories": [{"id": 1, "name": category}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": polygon}],
    }
    (root / "train/labels.json").write_text(json.dumps(content | more))


def test_unlisted_images_as_the_message_advises(root):
    coco(root)
    with pytest.raises(DataError, match=r"b.png: .*data.unlisted_images: ignore"):
        opened(root, "")
    assert opened(root, "unlisted_images: ignore").train["image_id"].tolist() == ["a.png"]
    assert areas(opened(root, "unlisted_images: empty"))[1] == [0]


def test_one_class_named_and_one_category_are_the_same(root):
    coco(root)
    competition = opened(root, "class_names: [butt], unlisted_images: ignore")
    assert competition.class_names == ("butt",)
    assert areas(competition)[0][0] > 90


def test_one_class_named_and_several_categories_are_refused_with_the_key(root):
    coco(root, categories=[{"id": 1, "name": "cigarette"}, {"id": 2, "name": "ash"}])
    with pytest.raises(DataError, match=r"no category 'butt'; it has .*set data.merge: \{butt: all\}"):
        opened(root, "class_names: [butt], unlisted_images: ignore")


def test_values_that_auto_does_not_guess(root):
    """0 and 1 in some masks, 0 and 255 in others: the advice of the message is accepted, and read as it says."""
    masks(root, lambda number: SQUARE * (255 if number % 2 else 1))
    with pytest.raises(DataError, match=r"set data\.mask_threshold: 1"):
        opened(root, "")
    assert areas(opened(root, "mask_threshold: 1")) == [[120]] * 4
    text = "labels: class_index, class_values: {a: 1, b: 255}"
    assert areas(opened(root, text)) == [[120, 0], [0, 120]] * 2
    text = "labels: class_index, class_values: {a: 1}, ignore_value: 255"
    competition = opened(root, text)
    assert areas(competition) == [[120], [0]] * 2
    assert competition.ignored_in("p1").sum() == 120


def test_the_order_that_square_masks_do_not_show(root):
    for name in ("a.png", "b.png"):
        write(root / "train" / name, np.full((24, 24), 90, np.uint8))
    square = SQUARE[:, :24]
    (root / "train.csv").write_text(f"id,rle\na,{encode(square, 'row')}\nb,{encode(square, 'row')}\n")
    with pytest.raises(DataError, match=r"set data.order: column or row"):
        opened(root, "")
    np.testing.assert_array_equal(opened(root, "order: row").masks("a")[0], square)


def test_which_folder_or_file_holds_the_labels(root):
    masks(root, SQUARE * 255)
    masks(root, SQUARE[::-1] * 0 + 255, "other_masks", "other_images")
    for text, count in (("", 4), ("train_images: other_images", 2), ("train_masks: masks", 2)):
        with pytest.raises(DataError, match=f"may be {count} things"):
            opened(root, text)
    assert areas(opened(root, "train_images: other_images, train_masks: other_masks")) == [[960]] * 4
    with pytest.raises(DataError, match=r"several folders may hold the masks .*set data.train_masks too"):
        opened(root, "train_images: [images, other_images]")
    coco(root)
    with pytest.raises(DataError, match="may be 5 things"):
        opened(root, "")
    assert open_competition(section(root, "train_json: train/labels.json, unlisted_images: ignore")).class_names


def test_groups_under_another_name(root):
    masks(root, SQUARE * 255)
    rows = "".join(f"p{number},{number // 2}\n" for number in range(4))
    (root / "photographers.csv").write_text(f"ImageId,GroupId\n{rows}")
    assert opened(root, "groups_csv: photographers.csv").train["group"].tolist() == ["0", "0", "1", "1"]


def test_keys_that_no_format_or_not_this_one_has(root):
    masks(root, SQUARE * 255)
    with pytest.raises(ConfigError, match=r"unlisted_image: unknown key; did you mean data.unlisted_images\?"):
        section(root, "unlisted_image: ignore")
    with pytest.raises(DataError, match=r"mask_folders\), which has no key crowd"):
        opened(root, "crowd: ignore")
    with pytest.raises(DataError, match=r"missing_masks: Input should be 'refuse', 'empty' or 'skip'"):
        opened(root, "missing_masks: never")


def test_a_csv_whose_images_lie_in_several_folders(root):
    for folder, names in (("a", "123"), ("b", "45")):
        for name in names:
            write(root / folder / f"{name}.png", np.full((24, 40), 90, np.uint8))
    (root / "train.csv").write_text("id,rle\n" + "".join(f"{name},{encode(SQUARE)}\n" for name in "12345"))
    with pytest.raises(DataError, match=r"images lie in several folders \(a: 3, b: 2\).*data.train_images"):
        opened(root, "")


@pytest.mark.parametrize("labels", ["masks", "coco", "runs", "paths"])
def test_the_sample_submission_is_found_and_checked_in_every_format(root, labels):
    if labels == "coco":
        names = enumerate(("a.png", "b.png"), 1)
        coco(root, images=[{"id": n, "file_name": name, "height": 24, "width": 40} for n, name in names])
    elif labels == "runs":
        write(root / "train/a.png", SQUARE)
        (root / "train.csv").write_text(f"id,rle\na,{encode(SQUARE)}\n")
    else:
        masks(root, SQUARE * 255)
    if labels == "paths":
        rows = "".join(f"images/p{n}.png,masks/p{n}.png\n" for n in range(4))
        (root / "list.csv").write_text(f"image,mask\n{rows}")
    write(root / "test/t.png", SQUARE)
    (root / "sampleSubmission.csv").write_text("id,rle\nt,\n")
    more = "train_csv: list.csv" if labels == "paths" else ""  # else the folders may be the labels too
    assert opened(root, more).sample_submission == root / "sampleSubmission.csv"
    explicit = recognised(section(root, more)).model_copy(update={"sample_submission": "auto"})
    assert open_competition(explicit).sample_submission == root / "sampleSubmission.csv"
    (root / "sampleSubmission.csv").write_text("id,rle\nu,\n")
    with pytest.raises(DataError, match=r"no test image 'u'.*data.sample_submission: null leaves it out"):
        open_competition(explicit)
    assert opened(root, f"{more or 'check: decode'}, sample_submission: null").sample_submission is None
