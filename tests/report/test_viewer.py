"""The viewer in a real browser: zoom and pan of all panes, masks at a threshold, flags, keys, and short ids."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment, RleCsvData
from maskfold.folds.visibility import excluded_ids
from maskfold.stages.make_report import make_report
from support.browser import MISSING, find_browser
from support.synthetic_run import CLASSES, EVIL_NAMES, RunMasks, predicted, write_run

pytestmark = pytest.mark.skipif(find_browser() is None, reason=MISSING)
NUMBER = 8  # of the image that is looked at
WIDTH, HEIGHT = 96, 48  # px of it


@pytest.fixture
def viewer(load):
    """The viewer with that image and its first class."""
    page = load(f"oof.html#view=name&text=image0000{NUMBER}&class=0")
    open_first(page)
    return page


def open_first(page):
    page.locator(".card").first.click()
    page.wait_for_function("[...document.querySelectorAll('#stage .pane')].every((box) => box.matches('.drawn'))")


def alphas(page, selector):
    """How opaque each pixel of a canvas is, (H, W)."""
    script = "canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]"
    pixels = page.locator(selector).evaluate(script)
    return np.array(pixels).reshape(HEIGHT, WIDTH, 4)[..., 3]


def places(page):
    """Left, top and width of the picture in each pane, in widths and heights of its pane."""
    script = """boxes => boxes.map((box) => { const outer = box.parentElement.getBoundingClientRect(),
        inner = box.getBoundingClientRect(); return [(inner.left - outer.left) / outer.width,
        (inner.top - outer.top) / outer.height, inner.width / outer.width]; })"""
    return np.array(page.locator("#stage .layers").evaluate_all(script))


def test_all_panes_show_the_same_part(load):
    page = load(f"oof.html#view=name&text=image0000{NUMBER}")
    open_first(page)
    assert page.locator("#stage .tag").all_inner_texts() == ["truth", "prediction", "probability"]
    assert places(page) == pytest.approx(np.array([[0, 0, 1]] * 3))
    box = page.locator("#stage .pane").nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -400 * np.log(2))
    assert places(page) == pytest.approx(np.array([[-0.25, -0.5, 2]] * 3), abs=0.01)  # what is below the pointer stays
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    page.mouse.up()
    assert places(page) == pytest.approx(np.array([[0, -0.75, 2]] * 3), abs=0.01)
    page.keyboard.press("Shift+ArrowRight")
    assert places(page)[:, 0] == pytest.approx([-0.1] * 3, abs=0.01)
    page.keyboard.press("+")
    assert places(page)[:, 2] == pytest.approx([3] * 3, abs=0.01)
    page.keyboard.press("0")
    page.keyboard.press("-")  # never smaller than the pane
    assert places(page) == pytest.approx(np.array([[0, 0, 1]] * 3))
    page.locator("#stage .pane").first.dblclick()
    assert places(page)[:, 2] == pytest.approx([4] * 3)
    page.locator("[data-zoom='0']").click()
    assert places(page)[:, 2] == pytest.approx([1] * 3)


def test_the_next_image_begins_whole(load):
    page = load("oof.html#view=name")
    open_first(page)
    first = page.locator("#title").inner_text()
    page.locator("[data-zoom='1']").click()
    assert places(page)[:, 2] == pytest.approx([1.5] * 3)
    page.keyboard.press("ArrowRight")
    assert page.locator("#title").inner_text() != first
    assert places(page)[:, 2] == pytest.approx([1] * 3)


def test_the_slider_shows_what_reaches_the_threshold_and_what_it_is_worth(viewer):
    page = viewer
    masks = RunMasks({"a": NUMBER}, ((64, 96), (96, 64), (48, 96)))("a")
    prob, truth = predicted(NUMBER, masks)[0], masks[0]
    assert prob.shape == (HEIGHT, WIDTH) and np.count_nonzero((prob > 13) & (prob < 250)) > 0
    before = alphas(page, "#stage .overlay .masks")
    page.keyboard.press("t")  # the prediction alone
    words = page.locator("#threshold-words")
    assert words.inner_text() == "rules in use"
    for level in (13, 90, 128, 255):
        page.locator("#threshold").fill(str(level))
        page.wait_for_function(f"document.querySelector('#threshold-words').textContent.includes('({level}/255)')")
        shown = prob >= level
        assert ((alphas(page, "#stage .overlay .masks") > 0) == shown).all()
        expected = 2 * (shown & (truth > 0)).sum() / (shown.sum() + truth.sum())
        assert float(re.search(r"Dice ([\d.]+)", words.inner_text())[1]) == pytest.approx(expected, abs=5e-4)
    page.keyboard.press("[")
    page.keyboard.press("{")
    page.wait_for_function("document.querySelector('#threshold-words').textContent.includes('(249/255)')")
    page.keyboard.press("t")
    page.keyboard.press("r")
    page.wait_for_function("document.querySelector('#threshold-words').textContent === 'rules in use'")
    assert (alphas(page, "#stage .overlay .masks") == before).all()


def test_the_pane_of_probabilities_is_theirs_and_can_be_hidden(viewer):
    page = viewer
    masks = RunMasks({"a": NUMBER}, ((64, 96), (96, 64), (48, 96)))("a")
    prob = predicted(NUMBER, masks)[0]
    shown = alphas(page, "#stage .heat .heated")
    assert ((shown > 0) == (prob >= 13)).all()
    order = np.argsort(prob, axis=None)
    assert (np.diff(shown.ravel()[order]) >= 0).all()  # the surer, the more opaque
    page.keyboard.press("h")
    assert not page.locator("#stage .heat").is_visible()
    page.locator("#heat-pane").click()
    assert page.locator("#stage .heat").is_visible()


def test_flagged_images_are_saved_as_the_csv_that_data_exclude_reads(load, run, tmp_path, monkeypatch):
    page = load("oof.html#view=name")
    ids = page.evaluate("data.id")
    flagged = [*EVIL_NAMES, "image00020.png"]
    for name in EVIL_NAMES:
        page.fill("#text", name)
        page.locator(".card").evaluate_all(
            "(cards, id) => cards.find((card) => data.id[card.dataset.number] === id).focus()", name
        )
        page.keyboard.press("x")
    page.fill("#text", "image00020")
    page.locator(".card").click()
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    assert page.locator("#flags").inner_text() == "⚑ 7 flagged"
    page.reload()  # this browser remembers them
    page.locator("#flags").click()
    page.keyboard.press("x")  # does nothing here
    with page.expect_download() as download:
        page.locator("#save-csv").click()
    assert download.value.suggested_filename == "x.exclude.csv"
    path = tmp_path / "folds" / "x.exclude.csv"
    path.parent.mkdir()
    download.value.save_as(path)
    lines = yaml.safe_load(page.input_value("#yaml"))
    assert lines == {"data": {"exclude": "folds/x.exclude.csv", "exclude_from": "training"}}
    monkeypatch.chdir(tmp_path)
    config = Experiment(name="x", data=RleCsvData(root="x", class_names=CLASSES, exclude=str(path)))
    competition = SimpleNamespace(train=pd.DataFrame({"image_id": ids}))
    assert excluded_ids(config, competition) == set(flagged)
    page.locator("#show-flags").click()
    page.fill("#text", "")
    assert page.locator(".card.flagged").count() == len(flagged)
    page.locator("#flags").click()
    page.locator("#clear-flags").click()
    assert page.locator("#flags").inner_text() == "⚑ 0 flagged"


def test_flags_go_on_where_data_exclude_names_a_file_already(browser, tmp_path):
    data = RleCsvData(root="x", class_names=CLASSES, exclude="folds/other.csv")
    config, competition = write_run(tmp_path, 12, 4, data=data)
    make_report(config, competition)
    page = browser.new_page()
    page.goto(f"file://{RunPaths.of(config).report / 'oof.html'}")
    lines = page.input_value("#yaml")
    assert "folds/other.csv" in lines and yaml.safe_load(lines) is None
    page.close()


def test_keys_are_explained(load):
    for name, threshold in (("oof.html", True), ("test.html", False)):
        page = load(name)
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        assert ("threshold" in page.locator("#help").inner_text()) is threshold
        page.keyboard.press("Escape")
        assert not page.locator("#help").is_visible()


def test_a_long_id_is_shortened_in_its_middle(browser, tmp_path):
    name = f"{'a_very_long_name_' * 8}0001.png"
    config, competition = write_run(tmp_path, 12, 4, evil=[name])
    make_report(config, competition)
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"file://{RunPaths.of(config).report / 'oof.html'}#view=name&text=a_very_long")
    start, end = page.locator(".card .id span").all()
    assert start.evaluate("part => part.scrollWidth > part.clientWidth")
    assert end.inner_text() == name[-12:] and end.evaluate("part => part.scrollWidth <= part.clientWidth + 1")
    assert page.locator(".card .id").get_attribute("title") == name
    page.close()
