"""The COCO reader: polygons, both kinds of run lengths, merged categories, and every bad entry named by its id."""

import json
import pickle

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from maskfold.config import CocoData
from maskfold.data.formats.coco_index import read_coco
from maskfold.data.formats.coco_segments import draw_segments, segment_problem
from maskfold.data.formats.json_stream import stream_items
from maskfold.data.opening import open_competition
from maskfold.errors import DataError

SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]  # x 1..4, y 1..3: pixels (1, 1) to (2, 3)


def disc(height, width):
    y, x = np.mgrid[:height, :width]
    return ((y - height / 2) ** 2 + (x - width / 3) ** 2 < (height / 3) ** 2).astype(np.uint8)


def compressed(mask):
    return {"size": list(mask.shape), "counts": coco_mask.encode(np.asfortranarray(mask))["counts"].decode()}


def uncompressed(mask):
    flat = np.r_[0, mask.T.ravel()]
    return {
        "size": list(mask.shape),
        "counts": np.diff(np.r_[0, np.flatnonzero(np.diff(flat)) + 0, mask.size]).tolist(),
    }


def annotation(number, image, category, segmentation, **more):
    return {"id": number, "image_id": image, "category_id": category, "segmentation": segmentation, **more}


def coco(**changes):
    """Two images of 8x10 and one of 6x6 px, three categories."""
    return {
        "info": {"year": 2020},
        "images": [
            {"id": 7, "file_name": "a.png", "height": 8, "width": 10},
            {"id": 8, "file_name": "b.png", "height": 8, "width": 10},
            {"id": 9, "file_name": "c.png", "height": 6, "width": 6},
        ],
        "annotations": [
            annotation(1, 7, 1, [SQUARE]),
            annotation(2, 7, 2, compressed(disc(8, 10))),
            annotation(3, 8, 1, uncompressed(disc(8, 10)), iscrowd=1),
            annotation(4, 8, 1, [SQUARE]),
            annotation(5, 8, 3, [SQUARE]),
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "Größe"}],
        **changes,
    }


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr("maskfold.artefacts.paths.REPOSITORY", tmp_path / "repository")
    (tmp_path / "train/images").mkdir(parents=True)
    for image in coco()["images"]:
        pixels = np.zeros((image["height"], image["width"], 3), np.uint8)
        cv2.imwrite(str(tmp_path / "train/images" / image["file_name"]), pixels)
    write(tmp_path, coco())
    return tmp_path


def write(root, content, split="train"):
    text = content if isinstance(content, str) else json.dumps(content)
    (root / split / "coco_annotations.json").write_text(text, encoding="utf-8")


def data_of(root, class_names=("cat", "dog"), **changes):
    return CocoData(root=str(root), class_names=class_names, **changes)


def problems_of(root, **changes):
    with pytest.raises(DataError) as error:
        open_competition(data_of(root, **changes))
    return "\n".join(error.value.problems)


def test_all_kinds_of_segmentation_give_their_masks(root):
    competition = open_competition(data_of(root))
    assert competition.train["image_id"].tolist() == ["a.png", "b.png", "c.png"]
    masks = pickle.loads(pickle.dumps(competition.masks))
    assert masks("a.png").shape == (2, 8, 10)
    expected = np.zeros((8, 10), np.uint8)
    expected[1:3, 1:4] = 1
    np.testing.assert_array_equal(masks("a.png")[0], expected)
    np.testing.assert_array_equal(masks("a.png")[1], disc(8, 10))
    np.testing.assert_array_equal(masks("b.png")[0], disc(8, 10) | expected)  # several annotations are joined
    assert masks("c.png").sum() == 0  # an image without annotations is empty


def test_crowds_can_be_left_out(root):
    masks = open_competition(data_of(root, crowd="background")).masks
    assert masks("b.png")[0].sum() == 6


def test_categories_are_merged_and_dropped(root):
    masks = open_competition(data_of(root, ("pet", "cat"), merge={"pet": ("dog", "Größe")})).masks
    np.testing.assert_array_equal(masks("a.png")[0], disc(8, 10))
    assert masks("b.png").sum(axis=(1, 2)).tolist() == [6, (disc(8, 10).sum() + 6) - disc(8, 10)[1:3, 1:4].sum()]
    every = open_competition(data_of(root, ("thing",), merge={"thing": "all"})).masks
    assert every("a.png")[0].sum() == masks("a.png").any(axis=0).sum()


def test_a_second_opening_does_not_read_the_json_again(root, monkeypatch):
    first = open_competition(data_of(root))
    monkeypatch.setattr("maskfold.data.formats.coco_index.stream_items", lambda *_: pytest.fail("read again"))
    second = open_competition(data_of(root))
    np.testing.assert_array_equal(first.masks("b.png"), second.masks("b.png"))
    monkeypatch.undo()
    write(root, coco(annotations=[]))
    assert open_competition(data_of(root)).masks("b.png").sum() == 0


def test_annotations_may_come_first_and_ids_may_be_texts(root):
    content = coco()
    content["images"][0]["id"] = "x"
    for entry in content["annotations"]:
        entry["id"] = f"n{entry['id']}"
        entry["image_id"] = "x" if entry["image_id"] == 7 else entry["image_id"]
    write(root, {key: content[key] for key in ("annotations", "categories", "images")})
    np.testing.assert_array_equal(open_competition(data_of(root)).masks("a.png")[1], disc(8, 10))


def test_validation_images_join_the_training_images(root):
    (root / "val/images").mkdir(parents=True)
    for name in ("a.png", "d.png"):
        cv2.imwrite(str(root / "val/images" / name), np.zeros((8, 10), np.uint8))
    images = [{"id": i, "file_name": n, "height": 8, "width": 10} for i, n in enumerate(("a.png", "d.png"))]
    write(root, coco(images=images, annotations=[annotation(1, 0, 2, [SQUARE])]), "val")
    data = data_of(root, valid_images="val/images", valid_json="val/coco_annotations.json")
    competition = open_competition(data)
    assert competition.train["image_id"].tolist() == ["a.png", "b.png", "c.png", "valid/a.png", "valid/d.png"]
    assert competition.train["split"].tolist() == ["train"] * 3 + ["valid"] * 2
    assert competition.masks("valid/a.png").sum(axis=(1, 2)).tolist() == [0, 6]
    assert len(competition.train_inputs()) == 4  # images, two jsons, and how they are read


@pytest.mark.parametrize(
    ("bad", "answer"),
    [
        (annotation(6, 99, 1, [SQUARE]), "annotation 6: there is no image 99"),
        (annotation(6, 7, 44, [SQUARE]), "annotation 6: there is no category 44"),
        (annotation(1, 8, 1, [SQUARE]), "annotation 1: the id is given twice, of images 7 and 8"),
        (annotation(6, 7, 1, []), "annotation 6: (image a.png) has no segmentation, no pixels"),
        (annotation(6, 7, 1, None, bbox=[1, 1, 2, 2]), "has no segmentation, only a box"),
        (annotation(6, 7, 1, [[1, 2, 3, 4]]), "polygon 1 of 1 has 4 numbers"),
        (annotation(6, 7, 1, [SQUARE, [1, 2, "x", 4, 5, 6]]), "polygon 2 of 2 is no list of numbers"),
        (annotation(6, 7, 1, [[1, 2, float("nan"), 4, 5, 6]]), "a number that is not finite"),
        (annotation(6, 7, 1, [[0, 0, 5000, 0, 5000, 5000]]), "far out of its image of 10x8 px"),
        (annotation(6, 7, 1, [[0.1, 0.1, 0.9, 0.1, 0.9, 0.9]]), "multiply them by width and height"),
        (
            annotation(6, 7, 1, {"size": [10, 8], "counts": [80]}),
            "run lengths of size [10, 8], but its image is [8, 10]",
        ),
        (annotation(6, 7, 1, {"size": [8, 10], "counts": [3, 4]}), "run lengths of 7 pixels together"),
        (annotation(6, 7, 1, {"size": [8, 10], "counts": [90, -10]}), "a run length below zero"),
        (annotation(6, 7, 1, {"size": [8, 10], "counts": "a\u00e9"}), "a character that is not ASCII"),
        (annotation(6, 7, 1, {"size": [8, 10], "counts": "ooo"}), "the text ends within a number"),
        (annotation(6, 7, 1, {"size": [8, 10], "counts": "5"}), "run lengths of 5 pixels together"),
        (annotation(6, 7, 1, [[1, 1, 10**400, 1, 2, 2]]), "a number that is not finite"),
        (annotation(6, 7, 1, [SQUARE], iscrowd="yes"), "iscrowd is 'yes'"),
        (annotation(6, 7, 1.0, [SQUARE]), "annotation 6: category_id is 1.0, expected a whole number"),
        ({"id": 6}, "an annotation needs id, image_id and category_id"),
    ],
)
def test_a_bad_annotation_is_named(root, bad, answer):
    write(root, coco(annotations=[*coco()["annotations"], bad]))
    assert answer in problems_of(root)


@pytest.mark.parametrize(
    ("bad", "answer"),
    [
        ({"id": 9, "file_name": "d.png", "height": 1, "width": 1}, "image 9: its id is that of c.png already"),
        ({"id": 10, "file_name": "c.png", "height": 6, "width": 6}, "image 10: c.png is image 9 already"),
        ({"id": 10, "file_name": "d.png", "height": 6, "width": 6}, "there is no image 'd.png'"),
        ({"id": 10, "file_name": "../../x.png", "height": 6, "width": 6}, "'../../x.png' leads out of"),
        ({"id": 10, "file_name": "d.png", "height": 6.5, "width": 6}, "one of images has height 6.5, expected a whole"),
        ({"id": 10, "file_name": "d.png", "height": 2**70, "width": 6}, f"has height {2**70} and width 6"),
        ({"id": 10, "file_name": ".", "height": 6, "width": 6}, "there is no image '.'"),
        ({"id": 10, "file_name": "x" * 5000, "height": 6, "width": 6}, "there is no image 'xxx"),
        ({"id": 10, "file_name": "C.PNG", "height": 6, "width": 6}, "there is no image 'C.PNG' in"),
        ({"id": 10, "file_name": "c.jpg", "height": 6, "width": 6}, "images; there is 'c.png'"),
        ({"id": 10, "file_name": "./c.png", "height": 6, "width": 6}, "the images 'c.png' and './c.png' are one file"),
        ({"id": 10, "file_name": "old/c.png", "height": 6, "width": 6}, "'c.png' and 'old/c.png' are one file"),
        (
            {"id": 10, "file_name": "\ud800.png", "height": 6, "width": 6},
            r"image 10: file_name '\ud800.png' holds control characters",
        ),
        (
            {"id": 10, "file_name": "a\x1b[2J/c.png", "height": 6, "width": 6},
            r"file_name 'a\x1b[2J/c.png' holds control",
        ),
        ({"id": 10, "height": 6, "width": 6}, "one of images without file_name"),
    ],
)
def test_a_bad_image_entry_is_named(root, bad, answer):
    write(root, coco(images=[*coco()["images"], bad]))
    assert answer in problems_of(root)


def test_a_json_that_names_nothing_hides_no_other_problem_and_makes_none(root):
    """Nothing is known of its images and categories, so no image is unlisted and no class missing."""
    write(root, "{")
    with pytest.raises(DataError) as error:
        open_competition(data_of(root))
    assert len(error.value.problems) == 1
    assert "truncated" in error.value.problems[0]


def test_a_missing_image_folder_is_one_problem(root):
    with pytest.raises(DataError) as error:
        open_competition(data_of(root, train_images="nowhere"))
    assert len(error.value.problems) == 1
    assert "nowhere" in error.value.problems[0]


def test_sizes_unlisted_images_and_classes_are_checked(root):
    content = coco()
    content["images"][0].update(height=10, width=8)
    content["annotations"] = content["annotations"][3:]
    write(root, content)
    cv2.imwrite(str(root / "train/images/new.png"), np.zeros((4, 4), np.uint8))
    problems = problems_of(root, class_names=("cat", "dogs"))
    assert "a.png: is 8x10 px (height x width), but coco_annotations.json says 10x8; its sides are swapped" in problems
    assert "new.png: coco_annotations.json does not name it; set data.unlisted_images: ignore" in problems
    assert "there is no category 'dogs'; did you mean 'dog'?" in problems
    write(root, coco())
    assert len(open_competition(data_of(root, unlisted_images="ignore")).train) == 3
    with_empty = open_competition(data_of(root, unlisted_images="empty"))
    assert with_empty.masks("new.png").shape == (2, 4, 4)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", "it is truncated"),
        ("[1, 2]", "expected an object with the keys annotations, categories, images"),
        (json.dumps(coco())[:300], "truncated"),
        ('{"images": 3}', "'images' is no list"),
        ('{"images": [' + "[" * 100_000, "nested too deeply"),
        ('{"annotations": [{"id": 1}]}', "holds no images and no categories"),
        ('{"images": [{}], "categories": [{}]}', "one of images without id, file_name, height, width"),
        (json.dumps(coco()) + "\n" + json.dumps(coco()), "found '{' after the end of the JSON; one file, one object"),
        ('{"images": [' + "9" * 5000 + "]}", "more digits than Python reads"),
        ('{"images": [], "categories": [{"id": 1, "name": "\\ud800"}]}', r"category 1: name '\ud800'"),
    ],
)
def test_a_file_that_is_no_coco_json_says_so(root, text, answer):
    write(root, text)
    assert answer in problems_of(root)


def test_categories_of_one_name_are_ambiguous(root):
    used = [*coco()["annotations"], annotation(99, coco()["images"][0]["id"], 4, [SQUARE])]
    write(root, coco(categories=[*coco()["categories"], {"id": 4, "name": "cat"}], annotations=used))
    assert "categories 1, 4 are all called 'cat'" in problems_of(root)


def test_a_category_belongs_to_one_class(root):
    answer = problems_of(root, class_names=("cat", "pet"), merge={"pet": ("cat", "dog")})
    assert "category 'cat' belongs to the classes cat and pet" in answer


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_items_are_found_whatever_the_chunk(root, monkeypatch, chunk):
    monkeypatch.setattr("maskfold.data.formats.json_stream._CHUNK", chunk)
    path = root / "x.json"
    path.write_bytes(b'\xef\xbb\xbf {"n": 12, "list" : [1, 23, {"\xc3\xa9": [1.5e3, "]}"]} , null], "e": [] }')
    items = list(stream_items(path, ("list", "e")))
    assert [item.value for item in items] == [1, 23, {"é": [1500.0, "]}"]}, None]
    assert path.read_bytes()[items[2].offset :][: items[2].length].decode() == '{"é": [1.5e3, "]}"]}'


@pytest.mark.parametrize("seed", range(5))
def test_compressed_run_lengths_of_random_masks_pass_the_check_and_come_back(seed):
    rng = np.random.default_rng(seed)
    mask = (rng.random((37, 53)) < rng.random()).astype(np.uint8)
    for segment in (compressed(mask), uncompressed(mask)):
        assert segment_problem({"segmentation": segment}, 37, 53) is None
        np.testing.assert_array_equal(draw_segments([{"segmentation": segment}], 37, 53), mask)


def exported(tmp_path, names, categories, category=1, folder="train"):
    """A json of one square an image, as labelling tools export it, and the files it speaks of."""
    images = [{"id": n, "file_name": name, "height": 6, "width": 8} for n, name in enumerate(names)]
    square = [1, 1, 5, 1, 5, 4, 1, 4]  # 4 x 3 px
    annotations = [
        {"id": n, "image_id": n, "category_id": category, "iscrowd": 0, "segmentation": [square]}
        for n in range(len(names))
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "train.json").write_text(json.dumps(content))
    return CocoData(root=str(tmp_path), train_json="train.json", train_images=folder, class_names=("cell",))


def photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((6, 8), np.uint8))


CELL = [{"id": 1, "name": "cell", "supercategory": "none"}]


@pytest.mark.parametrize("slash", ["/", "\\"])
def test_images_only_in_folders_below(tmp_path, slash):
    for name in ("v1/f.png", "v2/f.png"):
        photo(tmp_path / "train" / name)
    data = exported(tmp_path, [f"v1{slash}f.png", f"v2{slash}f.png"], CELL)
    competition = open_competition(data)
    areas = [int(competition.masks(name).sum()) for name in competition.train["image_id"]]
    assert areas == [12, 12]
    photo(tmp_path / "train/v2/g.png")
    with pytest.raises(DataError, match=r"v2/g.png: train.json does not name it"):
        open_competition(data)
    more = open_competition(data.model_copy(update={"unlisted_images": "empty"}))
    assert more.train["image_id"].tolist()[-1] == "v2/g.png"
    assert more.masks("v2/g.png").sum() == 0


def test_paths_of_label_studio_lead_to_the_file_at_hand(tmp_path):
    photo(tmp_path / "train/0a1-f.png")
    data = exported(tmp_path, ["..\\..\\media\\upload\\1\\0a1-f.png"], CELL)
    competition = open_competition(data)
    assert competition.train["image_id"].tolist() == ["0a1-f.png"]
    assert competition.masks("0a1-f.png").sum() == 12
    with pytest.raises(DataError, match=r"leads out of .*train, which holds no g.png"):
        open_competition(exported(tmp_path, ["/data/upload/1/g.png"], CELL))


def test_a_root_category_without_annotations_is_left_out(tmp_path):
    photo(tmp_path / "train/a.png")
    root = {"id": 0, "name": "cell", "supercategory": "none"}
    same = exported(tmp_path, ["a.png"], [root, {"id": 1, "name": "cell", "supercategory": "cell"}])
    assert open_competition(same).masks("a.png").sum() == 12
    assert read_coco(tmp_path / "train.json").categories == ("cell",)
    exported(tmp_path, ["a.png"], [root | {"name": "cells"}, {"id": 1, "name": "cell", "supercategory": "cells"}])
    index = read_coco(tmp_path / "train.json")
    assert (index.categories, index.roots) == (("cells", "cell"), ("cells",))
    assert read_coco(tmp_path / "train.json").roots == ("cells",)  # from the cache too


def test_a_category_given_twice_hides_no_other_problem(root):
    content = coco(categories=[{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "dog"}])
    content["images"].append({"id": 10, "file_name": "missing.png", "height": 5, "width": 5})
    write(root, content)
    cv2.imwrite(str(root / "train/images/more.png"), np.zeros((8, 10, 3), np.uint8))
    cv2.imwrite(str(root / "train/images/a.png"), np.zeros((9, 10, 3), np.uint8))
    told = problems_of(root)
    assert "categories 2, 3 are all called 'dog'" in told
    assert "there is no image 'missing.png'" in told
    assert "a.png: is 9x10 px (height x width), but coco_annotations.json says 8x10" in told


@pytest.mark.parametrize("folder", ["valid/images", "train", "elsewhere"])
def test_a_missing_image_that_lies_in_another_folder_is_pointed_at(root, folder):
    content = coco()
    content["images"].append({"id": 10, "file_name": "lost.png", "height": 8, "width": 10})
    write(root, content)
    (root / folder).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / folder / "lost.png"), np.zeros((8, 10, 3), np.uint8))
    assert f"no image 'lost.png' in {root / 'train/images'}; it lies in {root / folder}" in problems_of(root)
