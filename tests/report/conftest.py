"""The browser that several tests of the pages drive."""

import pytest
from playwright.sync_api import sync_playwright

from support.browser import find_browser


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield browser
        browser.close()
