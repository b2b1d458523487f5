"""OOF predictions of other pipelines: every documented form gives the same tuned rules, and bad ones are refused."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.config import REPOSITORY, Experiment
from maskfold.data.label_rows import RowRules
from maskfold.errors import DataError
from maskfold.oof.imported import import_oof, labelled_competition
from maskfold.oof.store import OofWriter, iter_oof
from maskfold.pixels.rle import encode, relative_runs
from maskfold.stages.tune_thresholds import tune

COUNT = 12


def made_images():
    """image_id -> (prob (2, H, W) uint8, truth): blobs at 100/255 with speckle at 220/255."""
    rng = np.random.default_rng(0)
    images = {}
    for number in range(COUNT):
        truth = np.zeros((2, 30 + number, 40), np.uint8)
        truth[number % 2, 5:20, 5:25] = number % 3 > 0
        prob = np.where(rng.random(truth.shape) < 0.003, 220, truth * 100).astype(np.uint8)
        images[f"a{number:02d}.jpg"] = (prob, truth)
    return images


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.csv"
    rows = [
        f"{name},{index + 1},{encode(mask)}"
        for name, (_, truth) in made_images().items()
        for index, mask in enumerate(truth)
        if mask.any()
    ]
    path.write_text("\n".join(["ImageId,ClassId,EncodedPixels", *rows]) + "\n")
    return path


def write_npy(folder, dtype):
    folder.mkdir()
    for name, (prob, _) in made_images().items():
        np.save(folder / f"{name.removesuffix('.jpg')}.npy", prob if dtype == np.uint8 else (prob / 255).astype(dtype))
    (folder / "folds.csv").write_text("image_id,fold\n" + "".join(f"a{k:02d}.jpg,{k % 3}\n" for k in range(COUNT)))


def write_png(folder):
    for index in range(2):
        (folder / str(index + 1)).mkdir(parents=True)
        for name, (prob, _) in made_images().items():
            cv2.imwrite(str(folder / str(index + 1) / f"{name}.png"), prob[index])
    (folder / "folds.csv").write_text("image_id,fold\n" + "".join(f"a{k:02d}.jpg,{k % 3}\n" for k in range(COUNT)))


def write_parquet(path):
    with OofWriter(path, 2) as writer:
        for number, (name, (prob, _)) in enumerate(made_images().items()):
            writer.write(name, number % 3, prob)


@pytest.fixture
def config(tmp_path):
    return Experiment.model_validate(
        {
            "name": "base",
            "output_root": str(tmp_path / "out"),
            "data": {"format": "rle_csv", "root": "unused", "class_names": ("1",)},
            "tuning": {"bootstrap_samples": 100},
        }
    )


@pytest.mark.slow
def test_every_form_is_the_same(tmp_path, labels, config):
    write_npy(tmp_path / "floats", np.float32)
    write_npy(tmp_path / "bytes", np.uint8)
    write_png(tmp_path / "pictures")
    write_parquet(tmp_path / "table.parquet")
    artefacts = []
    for name in ("floats", "bytes", "pictures", "table.parquet"):
        competition, source = labelled_competition(labels, tmp_path / name, RowRules())
        run = import_oof(config, tmp_path / name, source, 2)
        assert run.name == f"foreign-{name.removesuffix('.parquet')}" and run.folds.count == 3
        stored = [image for fold in range(3) for image in iter_oof(RunPaths.of(run).oof_parquet(fold))]
        assert all(np.array_equal(image.prob, made_images()[image.image_id][0]) for image in stored)
        artefacts.append(tune(run, competition))
    assert all(artefact.classes == artefacts[0].classes for artefact in artefacts)
    assert artefacts[0].scores.tuned > 0.95


def test_the_labels_and_maps_make_a_competition_without_test_images(tmp_path, labels):
    write_npy(tmp_path / "maps", np.uint8)
    competition, _ = labelled_competition(labels, tmp_path / "maps", RowRules())
    assert competition.class_names == ("1", "2")
    assert len(competition.test) == 0
    assert competition.train["image_id"].tolist() == list(made_images())
    assert competition.train[["height", "width"]].to_numpy().tolist() == [[30 + k, 40] for k in range(COUNT)]
    for name, (_, truth) in made_images().items():
        assert np.array_equal(competition.masks(name), truth)


def test_an_image_without_a_listed_fold_has_one_of_five_that_never_changes(tmp_path, labels):
    write_npy(tmp_path / "maps", np.uint8)
    (tmp_path / "maps/folds.csv").unlink()
    _, source = labelled_competition(labels, tmp_path / "maps", RowRules())
    folds = source.fold_of()
    # Images without labels have no row, so their names lack the suffix.
    assert [name.removesuffix(".jpg") for name in folds] == [name.removesuffix(".jpg") for name in made_images()]
    assert folds == {name: int(hashlib.sha256(name.encode()).hexdigest(), 16) % 5 for name in folds}


def test_one_map_without_a_class_axis_is_one_class(tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "labels.csv").write_text("ImageId,ClassId,EncodedPixels\na.png,1,1 2\n")
    np.save(tmp_path / "maps/a.npy", np.array([[0.0, 0.5, 0.502], [1.0, 0.001, 0.003]]))
    competition, source = labelled_competition(tmp_path / "labels.csv", tmp_path / "maps", RowRules("row"))
    [image] = source.images()
    # 0.5 is 127.5 and halves go to the even number; 0.502 is 128.01, 0.001 is 0.255 and 0.003 is 0.765.
    assert image.prob.tolist() == [[[0, 128, 128], [255, 0, 1]]]
    assert source.sizes() == {"a.png": (2, 3)}
    assert competition.masks("a.png").tolist() == [[[1, 1, 0], [0, 0, 0]]]


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (np.zeros((30, 40, 3), np.uint8), r"found \(30, 40, 3\) uint8"),
        (np.zeros((30, 40), np.uint16), r"found \(30, 40\) uint16"),
        (None, "found no image"),
    ],
)
def test_a_png_must_be_grey_and_of_8_bits(tmp_path, config, pixels, found):
    (tmp_path / "labels.csv").write_text("ImageId,ClassId,EncodedPixels\na.png,1,1 2\n")
    (tmp_path / "maps").mkdir()
    if pixels is None:
        (tmp_path / "maps/a.png").write_text("no image")
    else:
        cv2.imwrite(str(tmp_path / "maps/a.png"), pixels)
    refuse(tmp_path, tmp_path / "labels.csv", config, f"{found}; expected an 8-bit grey png")


def refuse(tmp_path, labels, config, message):
    with pytest.raises(DataError, match=message):
        import_oof(config, tmp_path / "maps", labelled_competition(labels, tmp_path / "maps", RowRules())[1], 2)
    assert not list((tmp_path / "out").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((2, 30, 40), np.nan), "expected 0..1, no NaN"),
        (np.full((2, 30, 40), 3.0), "values from 3.0 to 3.0"),
        (np.zeros((2, 30, 40), np.int64), "type int64"),
        (np.zeros((3, 30, 40), np.uint8), "3 classes, but the labels have 2"),
        (np.zeros(7, np.uint8), "not a readable map"),
    ],
)
def test_bad_maps_are_refused(tmp_path, labels, config, values, message):
    write_npy(tmp_path / "maps", np.uint8)
    np.save(tmp_path / "maps" / "a00.npy", values)
    refuse(tmp_path, labels, config, message)


def test_labels_that_do_not_fit_are_refused(tmp_path, labels, config):
    write_npy(tmp_path / "maps", np.uint8)
    np.save(tmp_path / "maps" / "a01.npy", np.zeros((2, 3, 3), np.uint8))
    (tmp_path / "maps" / "a02.npy").unlink()
    refuse(tmp_path, labels, config, "reaches to pixel")
    refuse(tmp_path, labels, config, "'a02.jpg' is not in the OOF")


def test_folds_are_listed_or_drawn(tmp_path, labels):
    write_npy(tmp_path / "maps", np.uint8)
    listed = labelled_competition(labels, tmp_path / "maps", RowRules())[1].fold_of()
    assert listed["a04.jpg"] == 1
    (tmp_path / "maps" / "folds.csv").write_text("image_id,fold\na00.jpg,x\n")
    with pytest.raises(DataError, match="row 2: fold 'x' is no whole number"):
        labelled_competition(labels, tmp_path / "maps", RowRules())
    (tmp_path / "maps" / "folds.csv").write_text("image_id,fold\na00.jpg,1\n")
    with pytest.raises(DataError, match="no row for image a01"):
        labelled_competition(labels, tmp_path / "maps", RowRules())
    (tmp_path / "maps" / "folds.csv").unlink()
    drawn = labelled_competition(labels, tmp_path / "maps", RowRules())[1].fold_of()
    assert len(drawn) == COUNT and set(drawn.values()) <= set(range(5)) and len(set(drawn.values())) > 1


def an_object_a_row(path, order="column", several=True):
    """The labels of `made_images` with the rectangle of each mask in two halves, a row each."""
    rows = ["ImageId,ClassId,EncodedPixels"]
    for name, (_, truth) in made_images().items():
        for index, mask in enumerate(truth):
            halves = [mask.copy(), mask.copy()]
            halves[0][12:], halves[1][:12] = 0, 0
            for part in halves if several else [mask]:
                text = encode(part) if order == "column" else relative_runs(encode(part))
                rows.append(f"{name},{index + 1},{text or '-1'}")
    path.write_text("\n".join(rows) + "\n")
    return path


def test_rows_of_one_image_and_class_are_refused_or_joined(tmp_path):
    write_npy(tmp_path / "maps", np.uint8)
    labels = an_object_a_row(tmp_path / "objects.csv")
    options = ("--order relative", "--empty-token=", "--several-rows union")
    with pytest.raises(DataError) as error:
        labelled_competition(labels, tmp_path / "maps", RowRules("column", "", "refuse", *options))
    text = str(error.value)
    assert "row 7: 'a01.jpg', class 1 is in row 6 already; if each row is an object, set --several-rows union" in text
    assert "if it means an empty mask, set --empty-token='-1'" in text
    competition, _ = labelled_competition(labels, tmp_path / "maps", RowRules("column", "-1", "union"))
    for name, (_, truth) in made_images().items():
        np.testing.assert_array_equal(competition.masks(name), truth)


def test_relative_run_lengths_are_suspected_and_read(tmp_path):
    write_npy(tmp_path / "maps", np.uint8)
    labels = an_object_a_row(tmp_path / "objects.csv", "relative", several=False)
    with pytest.raises(DataError, match=r"not sorted; if each start .* SIIM-ACR, set data.order: relative"):
        labelled_competition(labels, tmp_path / "maps", RowRules("column", "-1"))
    competition, _ = labelled_competition(labels, tmp_path / "maps", RowRules("relative", "-1"))
    np.testing.assert_array_equal(competition.masks("a01.jpg"), made_images()["a01.jpg"][1])


def test_parquet_and_maps_in_one_folder_are_refused(tmp_path, labels):
    source = tmp_path / "maps"
    write_npy(source, np.uint8)
    write_parquet(source / "mine.parquet")
    with pytest.raises(DataError, match=r"holds .*\.parquet and a00\.npy, two kinds of predictions .*12 maps"):
        labelled_competition(labels, source, RowRules())
    for path in source.glob("*.npy"):
        path.unlink()
    (source / "surface_1.png").write_bytes(b"the tuner's picture")
    assert len(labelled_competition(labels, source, RowRules())[0].train) == COUNT


def test_maps_whose_names_are_unclear_are_refused(tmp_path):
    (tmp_path / "maps").mkdir()
    np.save(tmp_path / "maps/a.npy", np.zeros((4, 5), np.uint8))
    (tmp_path / "l.csv").write_text("ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\na.png,1,1 2\n")
    with pytest.raises(DataError, match=r"a.npy: may be the map of a.jpg or a.png; name it with the image's suffix"):
        labelled_competition(tmp_path / "l.csv", tmp_path / "maps", RowRules())
    (tmp_path / "maps/a.npy").rename(tmp_path / "maps/x_jpg.rf.0dead.npy")
    (tmp_path / "maps/x.tif").write_bytes(b"")
    (tmp_path / "l.csv").write_text("ImageId,ClassId,EncodedPixels\nx_jpg.rf.0dead,1,1 2\n")
    with pytest.raises(DataError, match=r"x.tif: maps are .npy or .png files; save it as one"):
        labelled_competition(tmp_path / "l.csv", tmp_path / "maps", RowRules())
    (tmp_path / "maps/x.tif").unlink()
    competition, _ = labelled_competition(tmp_path / "l.csv", tmp_path / "maps", RowRules())
    assert competition.masks("x_jpg.rf.0dead").sum() == 2


@pytest.mark.slow
def test_script_tunes_maps_of_another_pipeline(tmp_path, labels):
    write_png(tmp_path / "maps")
    command = [sys.executable, "src/tune_thresholds.py", "--oof", tmp_path / "maps", "--labels", labels]
    command += ["--metric", "iou", "--rule", "mask", "--seed", "3", "--set", f"output_root={tmp_path / 'out'}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "foreign-maps: iou on the OOF images" in done.stdout and "mask p ≥" in done.stdout
    assert (tmp_path / "out" / "oof" / "foreign-maps" / "postprocess.json").is_file()
    assert (tmp_path / "out" / "oof" / "foreign-maps" / "surface_1.png").is_file()


def test_pixels_in_ignore_masks_are_labelled_by_nobody(tmp_path, labels, monkeypatch):
    write_npy(tmp_path / "maps", np.uint8)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "void").mkdir()
    void = np.zeros((31, 40), np.uint8)  # of a01.jpg, whose class 2 fills rows 5 to 19, columns 5 to 24
    void[:10] = 255
    cv2.imwrite("void/a01_ignore.png", void)
    competition, _ = labelled_competition(labels, tmp_path / "maps", RowRules(), "void/{stem}_ignore.png")
    np.testing.assert_array_equal(competition.ignored_in("a01.jpg"), void > 0)
    assert competition.masks("a01.jpg")[1].sum() == 10 * 20 and not competition.ignored_in("a02.jpg").any()
    assert "ignored pixels" in competition.label_inputs()
    with pytest.raises(DataError, match=r"a01_ignore.png: an ignore mask of no image; --ignore-masks is 'void'"):
        labelled_competition(labels, tmp_path / "maps", RowRules(), "void")
    cv2.imwrite("void/a01_ignore.png", void[:30])
    with pytest.raises(DataError, match=r"a01_ignore.png: the ignore mask is 30x40 px .*'a01.jpg' 31x40"):
        labelled_competition(labels, tmp_path / "maps", RowRules(), "void/{stem}_ignore.png")
