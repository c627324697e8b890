"""The chromium of the system, driven by Playwright; nothing is downloaded."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

WINDOW = (1440, 900)
NAMES = ("chromium", "chromium-browser", "google-chrome")
# It talks to the UI and to nobody else.
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Theme = Literal["light", "dark"]


def find_chromium() -> str:
    """Where it is.

    Raises:
        RuntimeError: It is not installed.
    """
    for name in NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    raise RuntimeError("There is no browser: install chromium (Debian: apt-get install chromium).")


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Start it, with an empty folder of its own."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, url: str, *, theme: Theme = "light") -> Iterator[Page]:
    """A window as people have it, on the UI's landing page; Dagster follows the system's theme."""
    width, height = WINDOW
    context = browser.new_context(
        viewport={"width": width, "height": height}, base_url=url, color_scheme=theme
    )
    page = context.new_page()
    try:
        page.goto("/")
        yield page
    finally:
        context.close()
