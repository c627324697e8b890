"""The week of the sandbox, replayed: in which time each day is, and where a replay goes on.

Real: HTTP on loopback, DuckDB, Dagster. What a whole week gives is tried in cli/test_demo.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from truto_groups.accounts.discovery import discover_accounts
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.errors import SettingsError
from truto_groups.report.run_progress import RunProgress
from truto_groups.runner.sandbox_week import PlayedDay, WeekListener, plan_instants, replay
from truto_groups.sandbox import SETTINGS_PATH, Request, Response, SandboxServer
from truto_groups.session import living_at
from truto_groups_tests.quick_history import quick_history
from truto_groups_tests.stand import Stand, enter_project

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Heard:
    """What a replay told."""

    days: list[PlayedDay] = field(default_factory=list[PlayedDay])
    counts: list[int] = field(default_factory=list[int])
    progress: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def listener(self) -> WeekListener:
        def progressed(one: RunProgress) -> None:
            self.progress.append((one.ended, one.account_count))

        return WeekListener(self.counts.append, progressed, self.days.append)


@contextmanager
def enter_sandbox(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """Stand in a project on the sandbox with its samples, as ``make demo`` does."""
    with SandboxServer() as server, quick_history():
        stand = Stand(server, folder)
        enter_project(stand, folder, monkeypatch)
        monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(SETTINGS_PATH))
        yield stand


def go_to_day(stand: Stand, day: int) -> None:
    """Let the sandbox be at a day that was never synced; the accounts were listed on it."""
    token = {"authorization": f"Bearer {stand.server.token}"}
    present = datetime.now(UTC)
    for left in range(7 - 1, 7 - 1 - day, -1):
        at = quote((present - DAY * left).isoformat())
        answered = stand.server.answer(Request("POST", "/sandbox/week", f"at={at}", token))
        assert answered.status == 200
    with living_at(present - DAY * (7 - day)):
        discover_accounts(
            open_session(TrutoResource(), GroupsDatabase()),
            partition_keys=(),
            in_flight=(),
            run_id="listing",
        )


def test_the_days_of_a_week_are_a_day_apart_and_end_now() -> None:
    assert plan_instants(0, days=7, now=NOW) == [NOW - DAY * left for left in range(6, -1, -1)]


def test_a_week_that_was_broken_off_goes_on_after_its_last_day() -> None:
    assert plan_instants(5, days=7, now=NOW, last=NOW - 4 * DAY) == [NOW - DAY, NOW]


def test_no_day_lies_before_what_the_tables_have_seen() -> None:
    seen = NOW - timedelta(hours=1)
    assert plan_instants(4, days=7, now=NOW, last=seen) == [seen, seen, NOW]
    assert plan_instants(4, days=7, now=NOW, last=NOW + DAY) == [NOW, NOW, NOW]


@pytest.mark.parametrize("day", [7, 8, 20])
def test_after_the_week_one_more_day_is_now(day: int) -> None:
    assert plan_instants(day, days=7, now=NOW, last=NOW - DAY) == [NOW]


@pytest.mark.slow
def test_a_week_is_finished_once_in_its_own_time_and_then_a_day_passes_with_each_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter_sandbox(tmp_path, monkeypatch) as stand:
        go_to_day(stand, 5)
        heard = Heard()
        began = datetime.now(UTC)
        last = replay(is_week_only=True, listener=heard.listener(), cwd=Path.cwd())
        assert [one.sandbox.day for one in heard.days] == [6, 7]
        assert last == heard.days[-1]
        # Half of what is to come, as far as one can know on the first day.
        assert heard.progress[0][1] == 2 * 19
        assert_a_day_was_lived_in_the_past(stand, began)

        assert replay(is_week_only=True, listener=heard.listener(), cwd=Path.cwd()) is None
        assert heard.counts == [2]

        next_day = replay(listener=heard.listener(), cwd=Path.cwd())
        assert next_day is not None
        assert (next_day.sandbox.day, heard.counts) == (8, [2, 1])
        assert {one.partition_key for one in next_day.report.outcomes if one.changed} == {
            "globex.opsgenie.e7c30526"
        }
        assert heard.progress[-1] == (19, 19)


def assert_a_day_was_lived_in_the_past(stand: Stand, began: datetime) -> None:
    """The first of two, whose second is now."""
    rows = stand.rows("SELECT started_at, finished_at FROM account_syncs ORDER BY started_at")
    assert len(rows) == 2 * 19
    for started_at, finished_at in rows[:19]:
        assert timedelta(hours=23) < began - started_at < timedelta(hours=25)
        assert timedelta(0) <= finished_at - started_at < timedelta(hours=1)
    assert all(began <= started_at for started_at, _ in rows[19:])
    two_days_ago = "SELECT count(*) FROM groups_as_of(now()::TIMESTAMPTZ - INTERVAL 36 HOUR)"
    assert stand.rows(two_days_ago) == [(0,)]


@pytest.mark.long
def test_tables_that_were_filled_without_the_week_are_synced_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter_sandbox(tmp_path, monkeypatch) as stand:
        go_to_day(stand, 7)
        token = {"authorization": f"Bearer {stand.server.token}"}
        stand.server.answer(Request("DELETE", "/sandbox/week", "", token))
        heard = Heard()
        assert replay(is_week_only=True, listener=heard.listener(), cwd=Path.cwd()) is None
        played = replay(listener=heard.listener(), cwd=Path.cwd())
        assert played is not None
        assert (played.sandbox.day, len(played.report.outcomes)) == (0, 19)
        assert played.report.exit_code == 0


def test_a_server_that_knows_no_week_is_told_before_anything_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enter_sandbox(tmp_path, monkeypatch) as stand:
        stand.server.intercept = lambda request: Response.of_json({}, status=404)
        with pytest.raises(SettingsError, match=r"does not replay a week: it answers with 404"):
            replay(listener=Heard().listener(), cwd=Path.cwd())
        assert [one.path for one in stand.server.requests] == ["/sandbox/week"]


def test_another_truto_is_asked_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with enter_sandbox(tmp_path, monkeypatch) as stand:
        monkeypatch.setenv("TRUTO_BASE_URL", "https://truto.invalid")
        with pytest.raises(SettingsError, match="TRUTO_BASE_URL names another Truto"):
            replay(listener=Heard().listener(), cwd=Path.cwd())
        assert not stand.server.requests
