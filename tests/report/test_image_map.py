"""The image map: the encoder's features, their places, the stage, and the page in a browser."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.config import InferenceConfig, ModelConfig, TrainConfig
from maskfold.errors import InferenceError, StaleError
from maskfold.network.model import SegmentationModel, build_model
from maskfold.network.normalisation import IMAGENET
from maskfold.report.image_map.features import feature_model, image_features
from maskfold.report.image_map.page import BOTH, FALSE_ALARM, MISSED, RIGHT, error_kinds, main_classes
from maskfold.report.image_map.placing import places_of
from maskfold.report.oof_scores import OofScores, read_image_scores
from maskfold.stages.make_report import make_report
from maskfold.stages.map_images import map_images
from support.browser import MISSING, find_browser, serious_faults
from support.random_run import write_weights
from support.synthetic_run import EVIL_NAMES, write_run

MODEL = ModelConfig(
    encoder="tu-mobilenetv3_small_050", encoder_weights=None, decoder_channels=(32, 24, 16, 8, 8), in_channels=1
)
IMAGES = 60


def test_features_are_the_means_of_the_encoder_s_deepest_map():
    torch.manual_seed(0)
    model = build_model(MODEL, 2).eval()
    pixels = torch.randint(0, 256, (2, 1, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        found = feature_model(model).eval()(pixels).mask_logits
        deepest = model.network.encoder((pixels.float() - model.mean.view(1, -1, 1, 1)) / model.std.view(1, -1, 1, 1))[
            -1
        ]
    assert found.shape == (2, deepest.shape[1], 1, 1)
    torch.testing.assert_close(found[:, :, 0, 0], deepest.mean(dim=(2, 3)))


def test_a_network_without_an_encoder_is_refused():
    with pytest.raises(InferenceError, match="no attribute `encoder`"):
        feature_model(SegmentationModel(torch.nn.Conv2d(3, 2, 1), IMAGENET))


def test_what_is_alike_lies_together():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 30)
    features = (4 * rng.standard_normal((3, 20))[group] + rng.standard_normal((90, 20))).astype(np.float32)
    features = np.concatenate([features, np.full((90, 1), 7, np.float32)], axis=1)  # which tells nothing
    places = places_of(features, 3)
    assert places.min(axis=0).tolist() == [0, 0] and places.max(axis=0).tolist() == [1, 1]
    away = np.linalg.norm(places[:, None] - places[None], axis=2) + 9 * np.eye(90)
    assert (group[away.argmin(axis=1)] == group).all()
    np.testing.assert_array_equal(places, places_of(features, 3))


@pytest.mark.parametrize(("count", "spread"), [(1, 1), (5, 0), (2, 1), (5, 1), (12, 1)])
def test_few_images_and_equal_ones_have_places_too(count, spread):
    features = spread * np.random.default_rng(1).standard_normal((count, 4)).astype(np.float32)
    places = places_of(features, 0)
    assert places.shape == (count, 2) and np.isfinite(places).all()
    assert ((places >= 0) & (places <= 1)).all()


def test_kinds_of_errors_and_main_classes():
    true = np.array([[5, 0], [5, 0], [0, 0], [0, 9], [4, 9]])
    predicted = np.array([[4, 0], [0, 0], [0, 1], [3, 0], [1, 1]])
    oof = OofScores("dice", ("a", "b"), list("vwxyz"), np.zeros(5, int), {}, true, predicted, predicted)
    assert error_kinds(oof).tolist() == [RIGHT, MISSED, FALSE_ALARM, BOTH, RIGHT]
    assert main_classes(true).tolist() == [0, 0, -1, 1, 1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tuned run of random networks with a map, and a report made after it."""
    settings = {
        "model": MODEL,
        "train": TrainConfig(workers=0, accelerator="cpu"),
        "inference": InferenceConfig(batch_size=4),
    }
    config, competition = write_run(tmp_path_factory.mktemp("map"), IMAGES, 4, evil=EVIL_NAMES, **settings)
    with pytest.raises(StaleError, match=r"not trained yet: fold0, fold1; run `python src/train\.py"):
        map_images(config, competition)
    write_weights(config)
    map_images(config, competition)
    make_report(config, competition)
    return config, RunPaths.of(config), competition


def test_the_stage_places_every_image_once_and_repeats_nothing(run, capsys):
    config, paths, competition = run
    model = build_model(MODEL, 2)
    model.load_state_dict(torch.load(paths.model(0), weights_only=True))
    ids = read_image_scores(paths.image_scores_csv)["image_id"].tolist()[:IMAGES]
    rows = competition.train.set_index("image_id", drop=False).loc[ids]
    found = {
        name: value
        for names, values in image_features(model, config, rows)
        for name, value in zip(names, values, strict=True)
    }
    places = places_of(np.stack([found[name] for name in ids]), config.seed)
    text = (paths.image_map / "image_map_data.js").read_text()
    assert re.search(r'"x":\[([\d,]+)\]', text)[1] == ",".join(str(round(x)) for x in np.rint(places[:, 0] * 10_000))
    page = paths.image_map / "index.html"
    before = page.stat().st_mtime_ns
    map_images(config, competition)
    assert "is up to date, skipped" in capsys.readouterr().out and page.stat().st_mtime_ns == before


def test_without_scores_there_is_no_map(tmp_path, run):
    config, _, competition = run
    with pytest.raises(StaleError, match=r"no image map without .*image_scores\.csv; run `bash run_all\.sh"):
        map_images(config.model_copy(update={"output_root": str(tmp_path)}), competition)


@pytest.mark.skipif(find_browser() is None, reason=MISSING)
@pytest.mark.parametrize("place", ["image_map/index.html", "../x.image_map/index.html"])
def test_an_image_opens_in_the_gallery_from_the_report_s_copy_and_from_the_map_itself(load, place):
    page = load(place)
    assert page.locator("#legend a").all_inner_texts()[0].startswith("bright (")
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    name = page.locator("#seen a").inner_text()
    page.wait_for_function("document.querySelector('#seen img').naturalWidth > 0")
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")
    assert page.locator("#title").inner_text().startswith(f"{name} · fold")


@pytest.mark.skipif(find_browser() is None, reason=MISSING)
def test_colours_and_their_entries(load, run):
    _, paths, _ = run
    scores = read_image_scores(paths.image_scores_csv)
    missed = scores[(scores["true_area"] > 0) & (scores["adopted_area"] == 0)]["image_id"].nunique()
    page = load("image_map/index.html", color_scheme="dark", viewport={"width": 380, "height": 800})
    for way, entries in (("class", 3), ("fold", 2), ("error", 4), ("score", 0)):
        page.select_option("#by", way)
        counts = [
            int(re.search(r"\((\d+)\)$", text)[1]) for text in page.locator("#legend > :not(#scale)").all_inner_texts()
        ]
        assert len(counts) == entries and sum(counts) in (0, IMAGES)
        page.wait_for_timeout(50)
        assert serious_faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 380
    page.select_option("#by", "error")
    page.locator("#legend a", has_text="a class missed").click()
    page.wait_for_selector("#count")
    assert page.locator("#count").inner_text().startswith(f"{missed} of")


@pytest.mark.skipif(find_browser() is None, reason=MISSING)
def test_a_click_opens_the_image_under_it_also_when_zoomed(load):
    page = load("image_map/index.html")
    box = page.locator("#map").bounding_box()
    for zooms in (0, 3):
        for _ in range(zooms):
            page.locator("[data-zoom='1']").click()
        x, y = page.evaluate(
            "data.id.map((_, n) => screen(n)).find(([x, y]) => x > 20 && y > 20 && x < canvas.clientWidth - 20"
            " && y < canvas.clientHeight - 20)"
        )
        page.mouse.move(box["x"] + x, box["y"] + y)
        assert page.evaluate(f"Math.hypot(screen(at)[0] - {x}, screen(at)[1] - {y})") < 1
        assert page.locator("#seen a").inner_text() == page.evaluate("data.id[at]")
    page.mouse.click(box["x"] + x, box["y"] + y)
    page.wait_for_selector("#viewer[open]")
