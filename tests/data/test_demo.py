"""The demo competition: the same bytes on every run, Severstal's shape, and look-alikes that pay for a minimum area."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from maskfold.config import DemoConfig, Experiment, RleCsvData
from maskfold.data.demo.drawing import draw_image
from maskfold.data.opening import open_competition
from maskfold.errors import UsageError
from maskfold.stages.make_demo_data import make_demo_data

SETTINGS = DemoConfig(train_images=40, test_images=8, width=200)


@pytest.fixture
def config(tmp_path):
    data = RleCsvData(root=str(tmp_path / "demo"), class_names=("1", "2", "3", "4"))
    return Experiment(name="x", data=data, demo=SETTINGS)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_competition_opens_and_half_of_it_is_empty(config):
    make_demo_data(config)
    competition = open_competition(config.data)
    shown = np.array([competition.masks(image_id).any(axis=(1, 2)) for image_id in competition.train["image_id"]])
    assert (~shown.any(axis=1)).sum() == 20
    assert (shown.sum(axis=0) > 0).all()
    assert shown.sum(axis=0).argmax() == 2  # class 3 is the commonest, as in Severstal
    assert len(competition.test) == 8


def test_the_same_seed_draws_the_same_bytes_and_a_second_run_does_nothing(config, tmp_path, capsys):
    make_demo_data(config)
    first = contents(tmp_path / "demo")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "demo").rglob("*")}
    make_demo_data(config)
    assert "up to date" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in times} == times
    again = config.model_copy(update={"data": config.data.model_copy(update={"root": str(tmp_path / "again")})})
    make_demo_data(again)
    record = Path("README.txt.made.json")  # which holds times
    drawn = contents(tmp_path / "again")
    assert {path: drawn[path] for path in drawn if path != record} == {p: first[p] for p in first if p != record}


def test_every_image_is_a_function_of_its_number_alone():
    second = draw_image(SETTINGS, "train", 2)
    draw_image(SETTINGS, "train", 1)
    assert np.array_equal(draw_image(SETTINGS, "train", 2).grey, second.grey)
    assert not np.array_equal(draw_image(SETTINGS, "test", 2).grey, second.grey)


def test_a_changed_setting_draws_anew_and_leaves_no_rest(config, tmp_path):
    make_demo_data(config)
    smaller = config.model_copy(update={"demo": SETTINGS.model_copy(update={"train_images": 10})})
    make_demo_data(smaller)
    assert len(list((tmp_path / "demo/train_images").iterdir())) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_defects_are_larger_than_the_look_alikes():
    # The smallest labelled component of classes 2 to 4 is larger than any look-alike can be (7 px radius blobs aside).
    for index in range(40):
        masks = draw_image(SETTINGS, "train", index).masks
        for mask in masks[1:]:
            areas = cv2.connectedComponentsWithStats(mask)[2][1:, cv2.CC_STAT_AREA]
            assert all(area >= 60 for area in areas)


def test_a_folder_of_somebody_else_is_left_alone(config, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="holds files the demo did not make"):
        make_demo_data(config)
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "precious"


def test_the_smallest_size_that_the_config_takes_can_be_drawn():
    least = {name: DemoConfig.model_fields[name].metadata[0].ge for name in ("height", "width")}
    settings = DemoConfig(**least)
    for index in range(100):
        drawn = draw_image(settings, "train", index)
        assert drawn.masks.shape == (4, least["height"], least["width"])
