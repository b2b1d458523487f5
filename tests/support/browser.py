"""The browser that the tests of the pages drive: what is installed, or Playwright's own download.

Run as a script, it prints the path, and exits with 1 where there is none.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
MISSING = "no browser to look at the pages with: install Chromium, or run `.venv/bin/playwright install chromium`"


def find_browser() -> str | None:
    """The path of a Chromium, Chrome or Edge: on the PATH, or downloaded by Playwright; None where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path  # below PLAYWRIGHT_BROWSERS_PATH where that is set
    return own if Path(own).is_file() else None


if __name__ == "__main__":
    found = find_browser()
    print(found or MISSING)
    sys.exit(found is None)
