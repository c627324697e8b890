"""What a person does in the UI at nine in the morning, done in a real browser.

Everything is real: the UI, its daemon, runs in processes of their own, the sandbox on loopback.
Only the sandbox's answers are held up where a run has to wait.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from truto_groups.sandbox import Request, Response
from truto_groups_tests.browser.morning import Morning
from truto_groups_tests.browser.screenshots import (
    REDRAW,
    WORDS,
    keep_words,
    list_pictures,
    open_picture,
    read_command,
    read_words,
)
from truto_groups_tests.defs.served import ask, wait_for
from truto_groups_tests.stand import GROUPS_PATH

pytestmark = pytest.mark.browser

CLICKS_OF_A_STRANGER = 3
SECONDS_OF_A_STRANGER = 20
RUN_SECONDS = 90
KEY = re.compile(r"^[\w-]+\.\w+\.[0-9a-f]{8}$")

RUNS = """{ runsOrError(limit: 50) { ... on Runs { results {
    runId pipelineName status tags { key value } } } } }"""
PARTITION = "dagster/partition"
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


class Person:
    """Somebody who looks and clicks, and counts both clicks and time."""

    def __init__(self) -> None:
        self.clicks = 0
        self._began = time.monotonic()

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began


def find_runs(morning: Morning) -> list[dict[str, Any]]:
    """All runs, the newest first."""
    return list(ask(morning.port, RUNS)["runsOrError"]["results"])


def launch(morning: Morning, button: Locator, start: str, end: str) -> str:
    """Press a button that launches, and wait for the run over a range of partitions; its id."""
    before = {run["runId"] for run in find_runs(morning)}
    button.click()
    tags = dict(zip(RANGE, (start, end), strict=True))
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        for run in find_runs(morning):
            told = {tag["key"]: tag["value"] for tag in run["tags"]}
            is_range = tags.items() <= told.items()
            is_one = start == end and told.get(PARTITION) == start
            if run["runId"] not in before and (is_range or is_one):
                found.append(run)
        return bool(found)

    wait_for(f"a run over {start} to {end}", is_there, morning.dagster)
    return str(found[0]["runId"])


def open_dialog(page: Page, asset: str = "groups") -> Locator:
    """Press "Materialize" on an asset's page, and open the list of partitions."""
    page.goto(f"/assets/{asset}?view=partitions")
    page.get_by_role("button", name="Materialize…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Select a partition or create one").click()
    return dialog


def select_partitions(page: Page, *keys: str) -> None:
    """Select partitions in the dialog by typing what tells them, and close the list."""
    for key in keys:
        page.get_by_placeholder("Filter partitions").fill(key)
        page.get_by_role("menuitem", name=key).click()
    page.keyboard.press("Escape")


def find_listed(page: Page) -> list[str]:
    """The partitions that a page lists, in its order."""
    return list(dict.fromkeys(page.get_by_text(KEY).all_inner_texts()))


@contextmanager
def held_up(morning: Morning, *keys: str) -> Iterator[threading.Event]:
    """Let these accounts wait for their groups until the event is set, or the block ends."""
    may_go, before = threading.Event(), morning.server.intercept
    ids = {morning.ids[key] for key in keys}

    def hold_up(request: Request) -> Response | None:
        if request.path == GROUPS_PATH and request.integrated_account_id in ids:
            may_go.wait(RUN_SECONDS)
        return before(request) if before is not None else None

    morning.server.intercept = hold_up
    try:
        yield may_go
    finally:
        may_go.set()
        morning.server.intercept = before


def test_a_stranger_finds_the_stale_okta_of_acme_and_learns_what_to_do(
    page: Page, morning: Morning
) -> None:
    person = Person()

    person.click(page.get_by_role("link", name="Catalog"))
    person.click(page.get_by_role("link", name="group_overview"))
    needs_you = page.get_by_role("row", name="needs_you")
    expect(needs_you.get_by_role("link", name=morning.stale)).to_be_visible()
    person.click(page.get_by_role("tab", name="Events"))
    row = page.get_by_role("row", name=morning.stale).first
    expect(row).to_be_in_viewport()
    expect(row).to_contain_text("stale")
    expect(row).to_contain_text("Have its owner reconnect the account")

    assert person.clicks == CLICKS_OF_A_STRANGER
    assert person.seconds < SECONDS_OF_A_STRANGER


def test_the_pictures_of_the_readme_show_what_is_shown_now(page: Page, morning: Morning) -> None:
    """Before anything is changed: they were drawn of the same morning."""
    shown = {"status": keep_words(read_command(morning.home, morning.database.location))}
    for picture in list_pictures(morning):
        if picture.is_in_readme:
            open_picture(page, picture)
            shown[picture.name] = read_words(page)

    drawn = json.loads(WORDS.read_text(encoding="utf-8"))

    assert shown == drawn, REDRAW


def test_a_check_says_first_who_and_what_to_do_and_nothing_scrolls_sideways(
    page: Page, morning: Morning
) -> None:
    page.goto("/assets/groups?view=checks&checkDetail=every_account_is_fresh")

    row = page.get_by_role("row", name=morning.stale)
    expect(row).to_be_in_viewport()
    expect(row).to_contain_text("Have its owner reconnect the account")
    width = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
    assert width <= 0
    row.get_by_role("link", name=morning.stale).click()
    expect(page).to_have_url(re.compile(f"partition={re.escape(morning.stale)}"))
    expect(page.get_by_text("failed, and did not materialize this asset")).to_be_visible()


def test_partitions_are_found_by_the_tenant_on_the_page_and_in_the_dialog(
    page: Page, morning: Morning
) -> None:
    of_acme = {key for key in morning.ids if key.startswith("acme.")}
    page.goto("/assets/groups?view=partitions")
    expect(page.get_by_text(morning.others[0]).first).to_be_visible()

    page.get_by_placeholder("Filter by name").fill("acme")

    expect(page.get_by_text(morning.others[0])).to_have_count(0)
    assert set(find_listed(page)) == of_acme
    dialog = open_dialog(page)
    page.get_by_placeholder("Filter partitions").fill("acme")
    listed = dialog.get_by_role("menuitem").filter(has_text=re.compile(r"\.[0-9a-f]{8}"))
    expect(listed).to_have_count(len(of_acme))
    expect(listed.filter(has_text="acme.")).to_have_count(len(of_acme))


def test_drift_is_accepted_from_needs_you_and_the_check_turns_green(
    page: Page, morning: Morning
) -> None:
    page.goto("/assets/group_overview?view=events")
    row = page.get_by_role("row", name=morning.drifted).first
    row.get_by_role("link", name="accept").click()
    button = page.get_by_role("button", name="Launch Run")
    editor = page.locator(".CodeMirror").last
    expect(editor).to_contain_text(morning.drifted)

    expect(page.get_by_text(re.compile("config:reason")).first).to_be_visible()
    expect(page.get_by_text(re.compile("config:accepted_by")).first).to_be_visible()
    expect(button).to_be_disabled()
    fill_in(editor, reason='"  "', accepted_by="Ada")
    expect(button).to_be_enabled()
    button.click()
    expect(page.get_by_text(re.compile("must be filled in")).first).to_be_visible()
    assert not [run for run in find_runs(morning) if run["pipelineName"] == "accept_drift"]
    page.keyboard.press("Escape")

    fill_in(editor, reason="The flags moved to another project", accepted_by="Ada")
    expect(button).to_be_enabled()
    button.click()

    expect(page).to_have_url(re.compile("/runs/"))
    expect(page.get_by_text("Success").first).to_be_visible(timeout=RUN_SECONDS * 1000)
    page.goto("/assets/groups?view=checks&checkDetail=no_unaccepted_drift")
    expect(page.get_by_text("Every account looks like what was accepted.")).to_be_visible()
    with morning.database.reading() as connection:
        told = connection.execute(
            "SELECT partition_key, accepted_by, reason FROM accepted_baselines AS b "
            "JOIN integrated_accounts AS a ON a.id = b.integrated_account_id"
        ).fetchall()
    assert told == [(morning.drifted, "Ada", "The flags moved to another project")]


def fill_in(editor: Locator, **values: str) -> None:
    """Write values behind the names of the configuration, as a person types them."""
    text = editor.evaluate("element => element.CodeMirror.getValue()")
    for name, value in values.items():
        text = re.sub(rf"(?m)^( +{name}:).*$", rf"\1 {value}", text)
    editor.evaluate("(element, text) => element.CodeMirror.setValue(text)", text)


def test_one_partition_is_materialized_through_the_dialog(page: Page, morning: Morning) -> None:
    dialog = open_dialog(page)
    select_partitions(page, morning.healthy)

    button = dialog.get_by_role("button", name="Launch 1 run")
    run_id = launch(morning, button, morning.healthy, morning.healthy)

    page.goto(f"/runs/{run_id}")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=RUN_SECONDS * 1000)


def test_a_range_waits_says_how_far_it_is_and_hides_no_verdict(
    page: Page, morning: Morning
) -> None:
    first, last = morning.neighbours
    with held_up(morning, last) as may_go:
        # Of groups alone it would be a replay, which asks Truto for nothing.
        dialog = open_dialog(page, "raw_groups")
        select_partitions(page, first, last)
        button = dialog.get_by_role("button", name=re.compile("^Launch"))
        run_id = launch(morning, button, first, last)

        # Only those lines of the log are drawn that are in sight: it is filtered.
        page.goto(f"/runs/{run_id}?logs=done")
        line = page.get_by_text(re.compile(r"1 of 2 accounts done, 0 failed, 1 to go; \d+ groups"))
        expect(line.first).to_be_visible(timeout=RUN_SECONDS * 1000)
        page.goto("/assets/groups?view=checks&checkDetail=every_account_is_fresh")
        expect(page.get_by_role("row", name=morning.stale)).to_contain_text("Have its owner")
        expect(
            page.get_by_text(re.compile("in progress|not evaluated", re.IGNORECASE))
        ).to_have_count(0)
        may_go.set()

    page.goto(f"/runs/{run_id}")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=RUN_SECONDS * 1000)
