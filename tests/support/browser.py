"""The browser that the tests of the pages drive: what is installed, or Playwright's own download.

Run as a script, it prints the path, and exits with 1 where there is none.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_FETCH = "`.venv/bin/playwright install chromium`"
MISSING = f"no browser to look at the pages with: install Chromium, or run {_FETCH}"


def find_browser() -> str | None:
    """The path of a Chromium, Chrome or Edge: on the PATH, or downloaded by Playwright; None where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path  # below PLAYWRIGHT_BROWSERS_PATH where that is set
    return own if Path(own).is_file() else None


@contextmanager
def started_browser() -> Iterator[Browser]:
    """The browser, started. Raises RuntimeError where it does not start, or is too old or new for Playwright."""
    path = find_browser()  # not inside the next block: there is one Playwright at a time
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error as error:
            raise RuntimeError(
                f"{path} does not start, or does not go with this version of Playwright; mend or remove it, and run "
                f"{_FETCH}, which fetches one that does; Playwright: {error.message}"
            ) from None
        yield browser
        browser.close()


def serious_faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical of what a page shows now: rule, how many elements, the first of them."""
    page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{fault['id']}: {len(fault['nodes'])}, as {fault['nodes'][0]['html']}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


if __name__ == "__main__":
    found = find_browser()
    print(found or MISSING)
    sys.exit(found is None)
