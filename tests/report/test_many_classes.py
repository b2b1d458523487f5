"""Twelve classes with long names: no page overflows, cuts a text or lets ticks overlap, from a screen to a phone; all
pages are printed well, and read by screen readers."""

import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment, ReportConfig, RleCsvData
from maskfold.pixels.rle import encode
from maskfold.stages.audit_data import audit_data
from maskfold.stages.audit_labels import audit_labels
from maskfold.stages.make_report import make_report
from maskfold.submission.checking import check_submission
from support.browser import MISSING, find_browser, serious_faults
from support.synthetic_run import write_run

pytestmark = pytest.mark.skipif(find_browser() is None, reason=MISSING)
CLASSES = (
    *(
        "bright_disc",
        "dark band",
        "crack (longitudinal)",
        "crack-transverse",
        "a_rather_long_class_name_without_spaces",
    ),
    *("6", "pothole", "patch, repaired", "rolled-in scale", "pitted_surface", "inclusion", "window frame"),
)

FAULTS = """() => {
  const faults = [], width = document.documentElement.clientWidth;
  const name = (e) => `${e.tagName} ${e.className.baseVal ?? e.className} "${e.textContent.trim().slice(0, 40)}"`;
  if (document.documentElement.scrollWidth > width) faults.push(`page ${document.documentElement.scrollWidth} px`);
  for (const e of document.body.querySelectorAll("*")) {
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (!box.width || !box.height || style.visibility === "hidden") continue;
    const text = [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text) continue;
    if (e.closest("pre, select, script, style, .id")) continue;  // an id is shortened in its middle
    if (box.right > width + 1 || box.left < -1) faults.push(`outside: ${name(e)}`);
    if (style.overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1) faults.push(`cut: ${name(e)}`);
    for (let up = e.parentElement; up && up !== document.body; up = up.parentElement) {
      const outer = getComputedStyle(up), limits = up.getBoundingClientRect();
      if (outer.overflowX !== "visible" && box.right > limits.right + 1) faults.push(`cut by ${name(up)}: ${name(e)}`);
    }
  }
  for (const chart of document.querySelectorAll("svg")) {
    const boxes = [...chart.querySelectorAll("text")].map((e) => [e, e.getBoundingClientRect()]);
    boxes.forEach(([one, a], k) => boxes.slice(k + 1).forEach(([other, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 3) faults.push(`overlap: ${one.textContent} and ${other.textContent}`);
    }));
  }
  return [...new Set(faults)].slice(0, 12);
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Kind of page -> its file."""
    root = tmp_path_factory.mktemp("twelve")
    config, competition = write_run(root, 40, 12, classes=CLASSES, report=ReportConfig(examples=3))
    audit_labels(config, competition)
    paths = RunPaths.of(config)
    submitted = paths.submission("image")
    other = pd.read_csv(submitted, dtype=str, keep_default_na=False)
    other.loc[::2, "EncodedPixels"] = ""
    other.to_csv(root / "other.csv", index=False)
    check_submission(config, competition, submitted, root / "other.csv")
    make_report(config, competition)
    folder = root / "train"
    rows = ["ImageId,ClassId,EncodedPixels"]
    for image_id, path in zip(competition.train["image_id"], competition.train["path"], strict=True):
        for class_name, mask in zip(CLASSES, competition.masks(image_id), strict=True):
            rows += [f'{path.rsplit("/", 1)[1]},"{class_name}",{encode(mask)}'] if mask.any() else []
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    data = RleCsvData(
        root=str(root), train_images=folder.name, test_images=None, sample_submission=None, class_names=CLASSES
    )
    audited = Experiment(name="twelve", output_root=str(root / "out"), data=data, report=ReportConfig(examples=3))
    audit_data(audited)
    assert len(pd.read_csv(RunPaths.of(audited).data_audit / "classes.csv")) == 12
    return {
        **{kind: paths.report / f"{kind}.html" for kind in ("index", "oof", "test")},
        "comparison": paths.comparison / "index.html",
        "label audit": paths.label_audit / "index.html",
        "data audit": RunPaths.of(audited).data_audit / "index.html",
    }


@pytest.mark.parametrize("width", [1300, 800, 390])
@pytest.mark.parametrize("kind", ["index", "oof", "test", "comparison", "label audit", "data audit"])
def test_nothing_overflows_or_is_cut(pages, browser, kind, width):
    context = browser.new_context(viewport={"width": width, "height": 900})
    try:
        page = context.new_page()
        page.goto(f"file://{pages[kind]}")
        page.wait_for_timeout(50)
        assert page.evaluate(FAULTS) == []
    finally:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["index", "oof", "test", "comparison", "label audit", "data audit"])
def test_axe_finds_no_serious_fault(pages, browser, kind, scheme):
    context = browser.new_context(viewport={"width": 1300, "height": 900}, color_scheme=scheme)
    try:
        page = context.new_page()
        page.goto(f"file://{pages[kind]}")
        page.wait_for_timeout(50)
        assert serious_faults(page) == []
        if kind not in ("oof", "test"):
            return
        page.locator(".card").first.click()
        assert serious_faults(page) == []
        if kind == "oof":
            page.keyboard.press("]")
            assert serious_faults(page) == []
            page.keyboard.press("Escape")
            page.locator("#flags").click()
            assert serious_faults(page) == []
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        assert serious_faults(page) == []
    finally:
        context.close()


@pytest.mark.parametrize("kind", ["index", "oof", "test", "comparison", "label audit", "data audit"])
def test_a_printed_page_is_as_wide_as_the_paper_and_black_on_white(pages, browser, kind):
    context = browser.new_context(
        viewport={"width": 720, "height": 1000}, color_scheme="dark"
    )  # A4 without its margins
    try:
        page = context.new_page()
        page.goto(f"file://{pages[kind]}")
        page.emulate_media(media="print", color_scheme="dark")
        page.wait_for_timeout(50)
        assert page.evaluate("document.documentElement.scrollWidth") <= 720
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 35, 48)"
        assert not page.locator("nav").first.is_visible()
    finally:
        context.close()
