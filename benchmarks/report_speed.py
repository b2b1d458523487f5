"""The report of many images: how long it takes to write, its size, and how soon a browser shows it.

Writes a synthetic run (no training), makes its report, and drives Chromium over the gallery: the time to the first
picture, of sorting, filtering and paging, and from a move of the viewer's threshold to the new masks, also of twelve
classes in the largest pictures.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.turns import timed
from maskfold.artefacts.paths import RunPaths
from maskfold.config import FoldsConfig
from maskfold.execution.jobs import available_cores
from maskfold.stages.make_report import make_report
from support.synthetic_run import EVIL_NAMES, write_run

if TYPE_CHECKING:  # a development tool: without it the browser is left out
    from playwright.sync_api import CDPSession, Page

_SIZE = (64, 400)  # (height, width) px: a quarter of Severstal's
_NOTE_FIRST = """document.addEventListener("load", (event) => {
    if (event.target.tagName === "IMG") window.firstPicture ??= performance.now(); }, true);"""
_LARGE, _MANY = (600, 600), 12  # (height, width) px, more than a picture's; classes
_LEVELS = (13, 60, 128, 200, 255)  # to which the threshold is moved
_MOVE = """const slider = document.querySelector("#threshold"), words = document.querySelector("#threshold-words");
    slider.value = {0}; slider.dispatchEvent(new Event("input"));
    while (!words.textContent.includes("({0}/255)")) await new Promise((done) => setTimeout(done))"""
_CHOOSE = """const control = document.querySelector("#{}");
    control.value = "{}"; control.dispatchEvent(new Event("input"))"""


class Options(Settings):
    """How large the run is."""

    minutes: ClassVar[tuple[float, float]] = (0.4, 2)
    quick: ClassVar[dict[str, object]] = {"images": 600}
    images: int = 12_568
    """Training images; Severstal has 12568."""
    keep: Path | None = None
    """Folder in which the run is kept."""


@contextmanager
def gallery(page: Path, messages: list[str]) -> Iterator[tuple[Page, CDPSession]]:
    """A browser with a page opened from disk, and what measures its main thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1280, "height": 900})
        shown.on("console", lambda message: messages.append(message.text))
        shown.on("pageerror", lambda error: messages.append(str(error)))
        shown.on("dialog", lambda dialog: messages.append(dialog.message))
        shown.add_init_script(_NOTE_FIRST)
        session = shown.context.new_cdp_session(shown)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        shown.goto(f"file://{page}")
        yield shown, session
        browser.close()


def seconds_of(page: Page, script: str) -> float:
    """Seconds that a script of the page takes, until the next picture is on the screen."""
    timed = f"""async () => {{ const start = performance.now(); {script};
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        return performance.now() - start; }}"""
    return float(page.evaluate(timed)) / 1000


def drive(page: Path) -> dict[str, Any]:
    """What a reader waits for in the gallery, seconds; and what the browser complained about."""
    messages: list[str] = []
    waits: dict[str, Any] = {}
    with gallery(page, messages) as (shown, session):
        waits["first picture"] = shown.wait_for_function("window.firstPicture").json_value() / 1000
        metrics = session.send("Performance.getMetrics")["metrics"]
        waits["its computing"] = next(each["value"] for each in metrics if each["name"] == "TaskDuration")
        for key, value in (
            ("view", "wrong"),
            ("view", "misses"),
            ("view", "name"),
            ("class", "1"),
            ("text", "image01"),
        ):
            waits[f"{key}: {value}"] = seconds_of(shown, _CHOOSE.format(key, value))
        waits["next page"] = seconds_of(shown, "document.querySelector('[data-page=\"1\"]').click()")
        seconds_of(shown, _CHOOSE.format("text", ""))
        waits["threshold moved"] = slowest_threshold(shown)
    return waits | {"messages": messages}


def slowest_threshold(page: Page) -> float:
    """Seconds from a move of the threshold until the masks of the first image that is shown are on the screen."""
    page.locator(".card").first.click()
    page.wait_for_function("[...document.querySelectorAll('#stage .pane')].every((box) => box.matches('.drawn'))")
    return max(seconds_of(page, _MOVE.format(level)) for level in _LEVELS)


def threshold_of_many_classes(root: Path) -> float:
    """The same of an image with many classes and a large picture."""
    names = ("bright", "dark", *(f"square {k}" for k in range(2, _MANY)))
    config, competition = write_run(root, 8, 4, (_LARGE,), classes=names)
    make_report(config, competition)
    with gallery(RunPaths.of(config).report / "oof.html", []) as (shown, _):
        return slowest_threshold(shown)


def _no_browser() -> str:
    """Why no browser can be driven; empty if one can."""
    if find_spec("playwright") is None:
        return "playwright is not installed: pip install -r requirements-dev.txt"
    if shutil.which("chromium") is None:
        return "no chromium on the PATH: install the system's package chromium"
    return ""


def run(options: Options, bench: Bench) -> None:
    """Make the run and its report, and look at it."""
    root = options.keep or bench.folder
    config, competition = write_run(
        root, options.images, 100, (_SIZE,), EVIL_NAMES, available_cores(), folds=FoldsConfig(count=5)
    )
    seconds = timed(lambda: make_report(config, competition), time.process_time)()
    folder = RunPaths.of(config).report
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    say(f"{options.images} images: {seconds:.0f} CPU s to write, {size / 2**20:.0f} MiB")
    bench.claim("report: kB an image on disk", size / 1000 / options.images, "<", 20)
    bench.claim("report: CPU ms an image to write", 1000 * seconds / options.images, "<", 20)
    reason = _no_browser()
    if reason:
        bench.leave_out(f"the gallery in a browser: {reason}")
        return
    waits = drive(folder / "oof.html")
    messages = waits.pop("messages")
    for what, wait in waits.items():
        say(f"{what:<20}{wait:>8.3f} s")
    apart = ("first picture", "its computing", "threshold moved")
    slowest = max(wait for what, wait in waits.items() if what not in apart)
    many = threshold_of_many_classes(bench.folder / "many")
    bench.claim("gallery: first picture after load, s", waits["first picture"], "<", 1)
    bench.claim("gallery: computing of the page until then, s", waits["its computing"], "<", 0.5)
    bench.claim("gallery: slowest sort, filter or page, s", slowest, "<", 1)
    bench.claim("gallery: threshold moved, s", waits["threshold moved"], "<", 0.1)
    bench.claim(f"gallery: threshold moved, {_MANY} classes of 512x512, s", many, "<", 0.1)
    bench.claim("gallery: errors and warnings of the browser", len(messages), "=", 0)
