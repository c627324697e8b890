"""One sandbox, one UI and one chromium for all tests here; a page of its own for each."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from truto_groups_tests.browser.chromium import find_chromium, open_chromium, open_page
from truto_groups_tests.browser.morning import Morning, open_morning

# The machine of the tests may be a busy one, and Dagster's pages ask again every few seconds.
expect.set_options(timeout=20_000)


@pytest.fixture(name="morning", scope="session")
def provide_morning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Morning]:
    find_chromium()  # Said at once where there is none.
    with open_morning(tmp_path_factory.mktemp("morning")) as morning:
        yield morning


@pytest.fixture(name="browser", scope="session")
def provide_browser(morning: Morning) -> Iterator[Browser]:
    """After the morning: what that syncs in this thread stands no event loop of Playwright's."""
    del morning
    with open_chromium() as browser:
        yield browser


@pytest.fixture(name="page")
def provide_page(browser: Browser, morning: Morning) -> Iterator[Page]:
    with open_page(browser, morning.url) as page:
        yield page
