"""The browser that several tests of the pages drive."""

import pytest

from support.browser import started_browser


@pytest.fixture(scope="module")
def browser():
    with started_browser() as browser:
        yield browser
