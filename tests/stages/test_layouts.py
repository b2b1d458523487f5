"""Five layouts that public data sets come in, generated small: from `auto` to a checked submission, with no other key
of data, folds or submission than the folder and the metric."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.command_line import with_recognised_data
from maskfold.config import load_config
from maskfold.data.opening import open_competition
from maskfold.stages.make_folds import make_folds
from maskfold.stages.make_submission import make_submission
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.train import train_models
from maskfold.stages.tune_thresholds import tune
from maskfold.submission.checking import check_submission

pytestmark = pytest.mark.slow

SIZE = (64, 96)
COUNT = 12
TINY = """
folds: {count: 2}
model: {encoder: tu-mobilenetv3_small_050, encoder_weights: null, decoder_channels: [32, 24, 16, 8, 8]}
train: {epochs: 1, batch_size: 4, crop_size: [64, 96], workers: 0, accelerator: cpu}
"""  # only to be quick


def scene(number, classes=1, thin=False):
    """(photo, masks (C, H, W) uint8 in {0, 1}) of one image; every fourth shows only the first class."""
    rng = np.random.default_rng(number)
    masks = np.zeros((classes, *SIZE), np.uint8)
    for index, mask in enumerate(masks):
        if index and number % 4 == 3:
            continue
        left = 4 + index * 88 // classes
        if thin:
            cv2.line(mask, (4, 10 + 3 * number), (90, 60 - 3 * number), 1, 2)
        else:
            cv2.rectangle(mask, (left, 10 + number), (left + 60 // classes, 30 + number), 1, -1)
    photo = rng.integers(60, 90, (*SIZE, 3), dtype=np.uint8)
    photo[masks.any(axis=0)] += np.uint8(100)
    return photo, masks


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def polygons(mask):
    found = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    return [contour.astype(float).ravel().tolist() for contour in found if len(contour) > 2]


def coco_json(path, scenes, categories, first_id=1):
    """scenes: file name -> masks."""
    images, annotations = [], []
    for number, (name, masks) in enumerate(scenes.items()):
        images.append({"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]})
        for index, mask in enumerate(masks):
            if mask.any():
                entry = {"id": len(annotations), "image_id": number, "category_id": first_id + index, "iscrowd": 0}
                annotations.append({**entry, "segmentation": polygons(mask)})
    content = {"images": images, "categories": categories, "annotations": annotations}
    path.write_text(json.dumps(content))


def cigarettes(root):
    """COCO of one category, images in train/images, photos to predict in real_test."""
    scenes = {}
    for number in range(COUNT):
        photo, scenes[f"{number:08d}.jpg"] = scene(number)
        write(root / f"train/images/{number:08d}.jpg", photo)
    coco_json(root / "train/coco_annotations.json", scenes, [{"id": 1, "name": "butt", "supercategory": "waste"}])
    write(root / "real_test/1.jpg", scene(50)[0])
    return {"butt": 1}


def steel(root):
    """Class-index masks in folders of splits; each image shows one class, in two places."""
    for split, numbers in (("training", range(COUNT)), ("test", range(20, 23))):
        for number in numbers:
            photo, [mask] = scene(number)
            mask[:, 30:40] = 0
            write(root / f"images/{split}/{number:06d}.jpg", photo)
            if split != "test":
                write(root / f"annotations/{split}/{number:06d}.png", mask * np.uint8(1 + number % 3))
    return {"class_1": 1, "class_2": 2, "class_3": 3}


def facades(root):
    """COCO of Roboflow: a folder a split, a root category, the hash in the names."""
    names = [f"part{index}" for index in range(10)]
    categories = [{"id": 0, "name": "facades", "supercategory": "none"}]
    categories += [{"id": n, "name": name, "supercategory": "facades"} for n, name in enumerate(names, 1)]
    for split, numbers in (("train", range(COUNT)), ("valid", range(20, 23)), ("test", range(30, 32))):
        scenes = {}
        for number in numbers:
            name = f"house_{number}_jpg.rf.{number}c0ffee.jpg"
            photo, scenes[name] = scene(number, 10)
            write(root / split / name, photo)
        coco_json(root / split / "_annotations.coco.json", scenes, categories)
    return dict.fromkeys(names)


def cracks(root):
    """Thin structures: jpg photos and png masks of 0 and 255, with names of their own."""
    for number in range(COUNT):
        photo, masks = scene(number, thin=True)
        write(root / f"image/{number:03d}.jpg", photo)
        write(root / f"groundTruth/{number:03d}.png", masks[0] * 255)
    write(root / "test/100.jpg", scene(50, thin=True)[0])
    return {"mask": 1}


def people(root):
    """Folders of photos and masks for training and validation, and of test photos, with a sample file."""
    for split, numbers in (("train", range(COUNT)), ("valid", range(20, 24))):
        for number in numbers:
            photo, masks = scene(number)
            write(root / split / f"{number}.jpg", photo)
            write(root / f"{split}_mask/{number}.png", masks[0] * 255)
    for number in range(3):
        write(root / f"test/{number}.jpg", scene(40 + number)[0])
    (root / "sample_submission.csv").write_text("id,rle_mask\n2,1 1\n0,1 1\n1,1 1\n")
    return {"mask": 1}


@pytest.mark.parametrize("layout", [cigarettes, steel, facades, cracks, people])
def test_from_auto_to_a_checked_submission(tmp_path, layout):
    root = tmp_path / "data"
    classes = layout(root)
    file = tmp_path / "mine.yaml"
    head = f"name: mine\noutput_root: '{tmp_path}'\ndata: {{format: auto, root: '{root}'}}\ntuning: {{metric: dice}}\n"
    file.write_text(head + TINY)
    config = with_recognised_data(load_config(file))
    competition = open_competition(config.data)
    assert sorted(competition.class_names) == sorted(classes)
    assert not competition.test.empty
    for stage in (make_folds, train_models, predict_oof, tune, make_submission):
        stage(config, competition)
    path = RunPaths.of(config).submission(config.submission.layout)
    assert check_submission(config, competition, path)
    if layout is people:
        lines = path.read_text().splitlines()
        assert lines[0] == "id,rle_mask"
        assert [line.split(",")[0] for line in lines[1:]] == ["2", "0", "1"]
