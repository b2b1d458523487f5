"""The report of 12,568 images: how long it takes to make, what it weighs, and how soon a browser shows it.

Writes a synthetic run (no training) into a temporary folder, makes its report, and drives the system's Chromium over
the gallery: the time to the first picture, and of sorting, filtering and paging. Prints one line of JSON a claim; exits
1 when a claim does not hold.

    python benchmarks/report.py
    python benchmarks/report.py --images 2000 --keep /tmp/report-run
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from claims import claim
from playwright.sync_api import CDPSession, Page, sync_playwright

from maskfold.artefacts.paths import RunPaths
from maskfold.config import FoldsConfig
from maskfold.execution.jobs import available_cores
from maskfold.stages.make_report import make_report
from support.synthetic_run import EVIL_NAMES, write_run

FIRST_PICTURE_S = 1.0
COMPUTING_S = 0.5  # of the page's main thread, whatever else the machine does
STEP_S = 1.0
KILOBYTES_AN_IMAGE = 20.0
MILLISECONDS_AN_IMAGE = 20.0
SIZE = (64, 400)  # (height, width) px: a quarter of Severstal's
_NOTE_FIRST = """document.addEventListener("load", (event) => {
    if (event.target.tagName === "IMG") window.firstPicture ??= performance.now(); }, true);"""
_CHOOSE = """const control = document.querySelector("#{}");
    control.value = "{}"; control.dispatchEvent(new Event("input"))"""


@contextmanager
def gallery(page: Path, complaints: list[str]) -> Iterator[tuple[Page, CDPSession]]:
    """A browser with a page opened from disk, and what measures its main thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1280, "height": 900})
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("dialog", lambda dialog: complaints.append(dialog.message))
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
    complaints: list[str] = []
    waits: dict[str, Any] = {}
    with gallery(page, complaints) as (shown, session):
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
    return waits | {"complaints": complaints}


def main() -> int:
    """Make the run, its report, and the claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=12568)
    parser.add_argument("--keep", type=Path, help="where the run stays; default: a temporary folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = args.keep or Path(temporary)
        config, competition = write_run(
            root, args.images, 100, (SIZE,), EVIL_NAMES, available_cores(), folds=FoldsConfig(count=5)
        )
        started = time.monotonic()
        make_report(config, competition)
        seconds = time.monotonic() - started
        folder = RunPaths.of(config).report
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        waits = drive(folder / "oof.html")
    complaints = waits.pop("complaints")
    print(f"{args.images} images: {seconds:.0f} s to make, {size / 2**20:.0f} MiB; complaints: {complaints}")
    for what, wait in waits.items():
        print(f"{what:<20}{wait:>8.3f} s")
    slowest = max(wait for what, wait in waits.items() if what not in ("first picture", "its computing"))
    a_picture, computing = waits["first picture"], waits["its computing"]
    kilobytes, milliseconds = size / 1000 / args.images, 1000 * seconds / args.images
    return (
        0
        if all(
            [
                claim("first picture after load, s", a_picture, FIRST_PICTURE_S, a_picture < FIRST_PICTURE_S),
                claim("computing of the page until then, s", computing, COMPUTING_S, computing < COMPUTING_S),
                claim("slowest sort, filter or page, s", slowest, STEP_S, slowest < STEP_S),
                claim("kB an image on disk", kilobytes, KILOBYTES_AN_IMAGE, kilobytes < KILOBYTES_AN_IMAGE),
                claim("ms an image to make", milliseconds, MILLISECONDS_AN_IMAGE, milliseconds < MILLISECONDS_AN_IMAGE),
                claim("complaints of the browser", len(complaints), 0, not complaints),
            ]
        )
        else 1
    )


if __name__ == "__main__":
    sys.exit(main())
