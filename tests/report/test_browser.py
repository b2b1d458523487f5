"""The pages in a real browser: sorting, filtering, paging, keys, hovering, a phone, and names that try to be code."""

import re

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.drawing.class_colours import PALETTE
from maskfold.stages.make_report import make_report
from maskfold.tuning.tables.score_tables import FoldTables, total
from support.browser import MISSING, find_browser
from support.synthetic_run import EVIL_NAMES, disc_centre, write_run

pytestmark = pytest.mark.skipif(find_browser() is None, reason=MISSING)
IMAGES, TEST_IMAGES = 130, 60  # of the run in conftest.py
A_PAGE = 48
SIZE_OF_8 = HEIGHT, WIDTH = 48, 96  # px of image 8


@pytest.fixture
def scores(run):
    """image_scores.csv, one row an image and class."""
    return pd.read_csv(run[1].image_scores_csv, dtype={"image_id": str, "class_name": str}, keep_default_na=False)


def shown_names(page):
    return page.locator(".card p").evaluate_all("cards => cards.map((card) => card.textContent)")


def count(page):
    return int(re.match(r"\d+", page.locator("#count").inner_text())[0])


def canvas_pixel(page, selector, x, y):
    """RGBA of one pixel of a canvas, once it is drawn."""
    script = f"canvas => [...canvas.getContext('2d').getImageData({x}, {y}, 1, 1).data]"
    return page.locator(selector).first.evaluate(script)


def test_worst_comes_first_and_best_last(load, scores):
    page = load("oof.html")
    means = scores.groupby("image_id")["adopted_score"].mean()
    anything = scores.groupby("image_id")[["true_area", "adopted_area"]].sum().sum(axis=1) > 0
    assert count(page) == anything.sum()
    shown = [float(text.split(" ")[0]) for text in shown_names(page)]
    assert len(shown) == A_PAGE
    assert shown == sorted(shown)
    assert shown[0] == pytest.approx(means[anything].min(), abs=5e-4)
    page.select_option("#view", "best")
    assert float(shown_names(page)[0].split(" ")[0]) == pytest.approx(means[anything].max(), abs=5e-4)


def test_false_alarms_misses_classes_folds_and_names_filter(load, scores):
    page = load("oof.html")
    absent, blank = scores["true_area"] == 0, scores["adopted_area"] == 0
    for view, rows in (("alarms", absent & ~blank), ("misses", ~absent & blank)):
        page.select_option("#view", view)
        assert count(page) == scores[rows]["image_id"].nunique() > 0
        page.select_option("#class", "0")
        assert count(page) == scores[rows & (scores["class_name"] == "bright")]["image_id"].nunique()
        page.select_option("#class", "")
    page.select_option("#view", "name")
    assert count(page) == IMAGES
    page.select_option("#fold", "1")
    assert count(page) == IMAGES // 2
    page.fill("#text", "IMAGE0001")
    assert count(page) == 5  # image00011, 13, 15, 17 and 19
    assert all("fold 1 · image0001" in text for text in shown_names(page))


def test_each_entry_of_the_kinds_of_errors_opens_the_gallery_of_its_images_most_first(load, run):
    table = pd.read_csv(run[1].report / "errors.csv")
    shown = table[table["pixels"] > 0]
    page = load("index.html")
    links = page.locator("td a[href^='oof.html#view=']")
    assert links.count() == len(shown) > 3
    texts = links.all_inner_texts()
    assert [int(re.search(r"(\d+) images?$", text)[1]) for text in texts] == shown["images"].tolist()
    targets = links.evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    links.first.click()
    page.wait_for_function("document.querySelector('.card')")
    for target, (kind, images, pixels) in zip(targets, shown[["kind", "images", "pixels"]].to_numpy(), strict=True):
        page.evaluate("target => { location.hash = target.split('#')[1]; }", target)
        page.wait_for_function(f"state.view === '{kind}' && location.hash.includes('class={target[-1]}')")
        assert count(page) == images
        found = page.evaluate(f"shown.map((number) => kindPixels(number, '{kind}'))")
        assert sum(found) == pixels and found == sorted(found, reverse=True)


def test_pages_turn_and_the_address_remembers(load):
    page = load("oof.html#view=name")
    assert page.locator(".page").first.inner_text() == f"1 of {-(-IMAGES // A_PAGE)}"
    first = shown_names(page)
    page.locator("[data-page='1']").first.click()
    second = shown_names(page)
    assert not set(first) & set(second)
    page.keyboard.press("PageDown")
    assert len(shown_names(page)) == IMAGES - 2 * A_PAGE
    assert page.locator("[data-page='1']").first.is_disabled()
    page.reload()
    assert page.locator(".page").first.inner_text().startswith("3 of")
    page.keyboard.press("PageUp")
    assert shown_names(page) == second


def test_the_keyboard_is_enough(load):
    page = load("oof.html#view=name")
    page.keyboard.press("/")
    page.keyboard.type("image000")
    page.keyboard.press("Escape")
    assert 0 < count(page) < IMAGES
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    focused = page.evaluate("[...document.querySelectorAll('.card')].indexOf(document.activeElement)")
    assert focused == 1
    page.keyboard.press("ArrowDown")
    assert page.evaluate("[...document.querySelectorAll('.card')].indexOf(document.activeElement)") > 1
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    names = shown_names(page)
    title = page.locator("#title")
    assert title.inner_text().split(" · ")[0] in names[1]
    page.keyboard.press("ArrowRight")
    assert title.inner_text().split(" · ")[0] in names[2]
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    # The browser tells the page that the viewer closed a moment later, and first focuses what opened it.
    page.wait_for_function("[...document.querySelectorAll('.card')].indexOf(document.activeElement) === 2")


def test_of_one_class_truth_is_red_prediction_green_and_probability_comes_on_demand(load):
    page = load("oof.html#view=name&text=image00008&class=0")
    x, y = disc_centre(8, *SIZE_OF_8)
    page.wait_for_function("document.querySelector('.pane.drawn')")
    assert canvas_pixel(page, ".card canvas", x, y) == pytest.approx([250, 204, 21, 80], abs=3)
    page.keyboard.press("t")
    assert canvas_pixel(page, ".card canvas", x, y) == pytest.approx([47, 178, 88, 80], abs=3)
    page.keyboard.press("t")
    page.keyboard.press("p")
    assert canvas_pixel(page, ".card canvas", x, y) == pytest.approx([224, 49, 49, 80], abs=3)
    assert page.locator(".heated").count() == 0
    page.keyboard.press("h")
    page.wait_for_function("document.querySelector('.heated')")
    assert canvas_pixel(page, ".card .heated", x, y) == pytest.approx([252, 255, 164, 230], abs=3)  # the surest
    assert canvas_pixel(page, ".card .heated", 2, 2)[3] == 0
    assert canvas_pixel(page, ".card .masks", x, y)[3] == 0  # outlines alone
    page.keyboard.press("h")
    page.wait_for_function("!document.querySelector('.heated')")
    page.keyboard.press("t")
    assert canvas_pixel(page, ".card canvas", x, y)[3] == 0  # neither


def test_several_classes_have_their_colours_truth_and_prediction_side_by_side_and_a_switch_each(load):
    page = load("oof.html#view=name&text=image00008")
    x, y = disc_centre(8, *SIZE_OF_8)
    page.wait_for_function("document.querySelectorAll('.pane.drawn').length === 2")
    assert page.locator(".card .tag").all_inner_texts() == ["truth", "prediction"]
    for pane in (".truth canvas", ".predicted canvas"):
        assert canvas_pixel(page, pane, x, y) == pytest.approx([*PALETTE[0], 110], abs=3)
        assert canvas_pixel(page, pane, 2, 2)[3] == 0
    page.keyboard.press("t")
    assert canvas_pixel(page, ".truth canvas", x, y)[3] == 0
    assert canvas_pixel(page, ".predicted canvas", x, y)[3] == 110
    page.keyboard.press("t")
    assert page.locator("#classes [data-switch]").all_inner_texts() == ["bright", "dark"]
    page.locator("#classes [data-switch='0']").click()
    assert canvas_pixel(page, ".truth canvas", x, y)[3] == canvas_pixel(page, ".predicted canvas", x, y)[3] == 0
    assert "off=0" in page.url
    page.reload()
    page.wait_for_function("document.querySelectorAll('.pane.drawn').length === 2")
    assert canvas_pixel(page, ".truth canvas", x, y)[3] == 0
    page.locator(".card").click()
    page.wait_for_function("document.querySelectorAll('#stage .pane.drawn').length === 3")
    page.locator("#rows [data-switch='0']").click()  # the legend of the single picture
    assert canvas_pixel(page, "#stage .truth canvas", x, y)[3] == 110
    page.locator("[data-close]").click()
    page.get_by_role("button", name="none").click()
    assert canvas_pixel(page, ".truth canvas", x, y)[3] == 0
    page.get_by_role("button", name="all", exact=True).click()
    assert canvas_pixel(page, ".truth canvas", x, y)[3] == 110


def test_names_stay_text(load):
    for name in ("oof.html#view=name", "index.html", "test.html"):
        page = load(name)
        page.wait_for_timeout(200)
        assert page.locator("img[src='x'], body b script, figcaption script").count() == 0
    page = load("oof.html#view=name")
    shown = "\n".join(shown_names(page))
    for evil in EVIL_NAMES:
        page.fill("#text", evil)
        assert count(page) == 1 if evil != "NA" else count(page) >= 1
        assert evil in "\n".join(shown_names(page)) or evil in shown


def test_surfaces_say_what_is_under_the_pointer(load, run):
    config, paths = run
    table = total([FoldTables.load(paths.score_table(fold), [0]).table(0) for fold in range(config.folds.count)])
    page = load("index.html")
    canvas = page.locator("[data-surface='0'] canvas")
    canvas.scroll_into_view_if_needed()
    output = page.locator("[data-surface='0'] output")
    page.wait_for_function("document.querySelector('output').textContent")
    for share in (0.2, 0.6, 0.9):
        box = canvas.bounding_box()
        canvas.hover(position={"x": box["width"] * share, "y": box["height"] * 0.4})
        said = re.search(r"\((\d+)/255\) · minimum area (\d+) px · dice ([\d.]+)", output.inner_text())
        threshold, area, score = int(said[1]), int(said[2]), float(said[3])
        assert threshold == pytest.approx(255 * 0.6, abs=2)
        assert score == pytest.approx(table.at(threshold, area), abs=1e-5)
    canvas.focus()
    page.keyboard.press("ArrowUp")
    assert f"({threshold + 1}/255)" in output.inner_text()


def test_the_test_gallery_shows_the_submitted_masks_and_cut_outs(load):
    page = load("test.html")
    assert count(page) == TEST_IMAGES
    row_of_first = page.locator(".card").evaluate_all(
        "cards => cards.filter((card) => card.offsetTop === cards[0].offsetTop).length"
    )
    assert row_of_first >= 2
    page.fill("#text", "test00008")
    x, y = disc_centre(8, *SIZE_OF_8)
    page.wait_for_function("document.querySelectorAll('.pane.drawn').length === 2")
    assert canvas_pixel(page, ".overlay canvas", x, y) == pytest.approx([*PALETTE[0], 110], abs=3)
    page.wait_for_timeout(300)
    shot = page.locator(".pane.cutout").screenshot()
    picture = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_GRAYSCALE).astype(int)
    box = page.locator(".pane.cutout").bounding_box()
    scale = min(box["width"] / WIDTH, box["height"] / HEIGHT)
    left, top = (box["width"] - WIDTH * scale) / 2, (box["height"] - HEIGHT * scale) / 2
    assert picture[int(top + y * scale), int(left + x * scale)] == pytest.approx(230, abs=4)
    outside = picture[int(top + 2 * scale), int(left + 20 * scale)]
    assert min(abs(outside - 217), abs(outside - 245)) < 6  # the checks of what is cut away


def test_wide_pictures_come_two_a_row(browser, tmp_path):
    config, competition = write_run(tmp_path, 8, 4, sizes=((16, 80),))
    make_report(config, competition)
    for name in ("oof.html#view=name", "test.html"):
        for width in (800, 1024, 1280, 1760):
            page = browser.new_page(viewport={"width": width, "height": 800})
            page.goto(f"file://{RunPaths.of(config).report / name}")
            tops = page.locator(".card").evaluate_all("cards => cards.map((card) => card.offsetTop)")
            assert [tops.count(top) for top in sorted(set(tops))] == [2] * (len(tops) // 2), (name, width)
            page.close()


@pytest.fixture(scope="module")
def twelve_classes(tmp_path_factory):
    """The report of a run with twelve classes, one of a long name."""
    names = [*(f"class_of_defect_{number}" for number in range(11)), "a name of several words"]
    config, competition = write_run(tmp_path_factory.mktemp("twelve"), 12, 4, classes=names)
    make_report(config, competition)
    return RunPaths.of(config).report


@pytest.mark.parametrize("width", [1300, 800, 390])
def test_no_value_of_a_table_is_cut_off_with_twelve_classes(browser, twelve_classes, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"file://{twelve_classes / 'index.html'}")
    assert page.locator(".wide").count() > 8
    wider = "boxes => boxes.filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.textContent)"
    assert page.locator(".wide").evaluate_all(wider) == []
    cells = "rows => rows.map((row) => [...row.cells].filter((cell) => cell.scrollWidth > cell.clientWidth + 1).length)"
    assert sum(page.locator(".wide tr").evaluate_all(cells)) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    by_row = page.locator(".by-row")
    assert by_row.count() == 0 if width == 1300 else by_row.count() > 0
    if by_row.count():  # each value says what it is
        cell = by_row.first.locator("td").nth(1)
        assert cell.evaluate("cell => getComputedStyle(cell, '::before').content") == '"all empty"'
    for name in ("oof.html", "test.html"):
        page.goto(f"file://{twelve_classes / name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#classes [data-switch]").count() == 12
    page.close()


def test_a_phone_is_wide_enough(load):
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    for name in ("index.html", "oof.html", "test.html"):
        page = load(name, **phone)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".card").first.tap()
    assert page.locator("#viewer").is_visible()
    page.locator("[data-close]").tap()
    assert not page.locator("#viewer").is_visible()
