"""Draw the pictures of the UI and of the command, as ``make screenshots`` does.

All of them, light and dark, go to build/screenshots/ to be looked at; those of the README to
docs/images/, each with the words that were on it in words.json. The browser's tests compare these
with what is shown now, so that a picture cannot stay behind.
"""

import json
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, expect
from rich.console import Console
from rich.text import Text

from truto_groups_tests.browser.chromium import Theme, find_chromium, open_chromium, open_page
from truto_groups_tests.browser.morning import Morning, open_morning
from truto_groups_tests.defs.served import ROOT

LOOKED_AT = ROOT / "build" / "screenshots"
IMAGES = ROOT / "docs" / "images"
WORDS = IMAGES / "words.json"
LARGEST = 150_000
REDRAW = "run `make screenshots` and look at docs/images/"

COMMAND = ("truto-groups", "status", "--tenant", "acme")
_COLUMNS = 104
# A page is shown in pieces, as its questions are answered.
_SETTLED_MILLISECONDS = 1500
# What differs from one morning to the next: instants, ages, digits of runs.
_PASSING = re.compile(
    r"\d{1,2} [A-Z][a-z]{2} \d{4}|\d\d:\d\d( UTC)?|\b\d+ (s|min|h|d)\b|just now|\bago\b"
    r"|\b[0-9a-f]{8}\b"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A page to draw.

    Attributes:
        name: Of its file.
        path: Of the page.
        shows: What is on it once it is whole.
        is_in_readme: Whether docs/images/ has it.
    """

    name: str
    path: str
    shows: str
    is_in_readme: bool = False


def list_pictures(morning: Morning) -> list[Picture]:
    """The pages that a person meets at nine."""
    checks = "/assets/groups?view=checks&checkDetail="
    return [
        Picture("overview", "/assets/group_overview?view=events", "Needs you", is_in_readme=True),
        Picture("check", f"{checks}every_account_is_fresh", "Have its owner", is_in_readme=True),
        Picture("drift", f"{checks}no_unaccepted_drift", morning.drifted),
        Picture("lineage", "/asset-groups", "group_overview"),
        Picture(
            "partitions", f"/assets/groups?view=partitions&partition={morning.stale}", "Failed"
        ),
        Picture("overview_numbers", "/assets/group_overview", "needs_you"),
        Picture("integrated_accounts", "/assets/integrated_accounts?view=events", "Metadata"),
        Picture("group_changes", "/assets/group_changes?view=events", "Metadata"),
    ]


def open_picture(page: Page, picture: Picture) -> None:
    """Open the page, and wait until it is whole."""
    page.goto(picture.path)
    expect(page.get_by_text(picture.shows).first).to_be_visible()
    page.wait_for_timeout(_SETTLED_MILLISECONDS)


def read_words(page: Page) -> list[str]:
    """The words on a page that are ours and not of a passing moment, line by line."""
    texts: list[str] = page.get_by_role("row").filter(has_text=".").all_inner_texts()
    return sorted({_keep_lasting(text) for text in texts})


def read_command(home: Path, database: str) -> str:
    """What the command prints into a terminal, with its colours."""
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "COLUMNS": str(_COLUMNS),
        "TERM": "xterm-256color",
        "DAGSTER_HOME": str(home),
        "TRUTO_GROUPS_DATABASE": database,
    }
    program = Path(sys.executable).parent / COMMAND[0]
    with subprocess.Popen(
        [str(program), *COMMAND[1:]], stdout=theirs, stderr=theirs, env=environment, cwd=home
    ):
        os.close(theirs)
        read = b""
        # A terminal that nobody writes to any more is an error to its reader.
        while chunk := _read_chunk(ours):
            read += chunk
    os.close(ours)
    return read.decode().replace("\r\n", "\n")


def draw_command(printed: str) -> str:
    """Draw what a command printed, as SVG without a font from elsewhere."""
    console = Console(record=True, width=_COLUMNS, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(Text(f"$ {' '.join(COMMAND)}", style="bold"))
    console.print(Text.from_ansi(printed.rstrip()))
    svg = console.export_svg(title="truto-groups", unique_id="command")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def keep_words(printed: str) -> list[str]:
    """The lasting words of what the command printed, each once: where it wraps is by chance."""
    return sorted(set(_keep_lasting(Text.from_ansi(printed).plain).split()))


def _keep_lasting(text: str) -> str:
    # In pages the blanks of an instant are such as do not break.
    lasting = _PASSING.sub(" … ", " ".join(text.split()))
    return re.sub(r"…( …)+", "…", " ".join(lasting.split()))


def _read_chunk(file: int) -> bytes:
    try:
        return os.read(file, 65536)
    except OSError:
        return b""


def _draw(browser: Browser, morning: Morning, theme: Theme) -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    with open_page(browser, morning.url, theme=theme) as page:
        for picture in list_pictures(morning):
            open_picture(page, picture)
            path = LOOKED_AT / f"{picture.name}-{theme}.png"
            page.screenshot(path=path)
            print(path.relative_to(ROOT), f"{path.stat().st_size:,} bytes")
            if picture.is_in_readme:
                words[picture.name] = read_words(page)
        page.goto("/assets/group_overview?view=events")
        page.get_by_role("link", name="accept", exact=True).first.click()
        expect(page.get_by_text("must not be None").first).to_be_visible()
        page.wait_for_timeout(_SETTLED_MILLISECONDS)
        page.screenshot(path=LOOKED_AT / f"launchpad-{theme}.png")
    return words


def _keep(morning: Morning, words: Mapping[str, list[str]]) -> None:
    """Put into docs/images/ what the README shows."""
    IMAGES.mkdir(exist_ok=True)
    for name in words:
        drawn = (LOOKED_AT / f"{name}-light.png").read_bytes()
        if len(drawn) > LARGEST:
            sys.exit(f"The picture {name} has {len(drawn):,} bytes; {LARGEST:,} are allowed.")
        (IMAGES / f"{name}.png").write_bytes(drawn)
    printed = read_command(morning.home, morning.database.location)
    (IMAGES / "status.svg").write_text(draw_command(printed), encoding="utf-8")
    kept = {**words, "status": keep_words(printed)}
    WORDS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Draw all."""
    find_chromium()  # Said at once where there is none.
    expect.set_options(timeout=20_000)
    LOOKED_AT.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_morning(Path(folder)) as morning,
        open_chromium() as browser,
    ):
        words = _draw(browser, morning, "light")
        _draw(browser, morning, "dark")
        _keep(morning, words)


if __name__ == "__main__":
    main()
