"""Which browser the tests of the pages take, and what is said of one that does not start."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from support import browser
from support.browser import MISSING, find_browser, started_browser


@pytest.mark.skipif(find_browser() is None, reason=MISSING)
def test_a_download_of_playwright_is_taken_where_no_browser_is_installed(tmp_path, monkeypatch):
    installed = find_browser()
    monkeypatch.setattr(browser, "NAMES", ())
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert find_browser() is None
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    own.parent.mkdir(parents=True)
    own.symlink_to(installed)
    assert find_browser() == str(own)
    with started_browser() as started:
        assert started.new_page().evaluate("2 + 3") == 5


def test_a_browser_that_does_not_start_is_named_with_the_way_out(tmp_path, monkeypatch):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho a library is missing >&2\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with (
        pytest.raises(RuntimeError, match=r"(?s)chromium does not start.*playwright install.*a library is missing"),
        started_browser(),
    ):
        pass
