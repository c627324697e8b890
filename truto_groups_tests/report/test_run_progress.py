"""How far a run has come, in numbers and words. The clock is the test's; the last tests sync."""

from dataclasses import dataclass, field

import pytest

from truto_groups.report.run_progress import HumanPace, RunProgress, counting_together
from truto_groups.sandbox import Request, Response
from truto_groups.sync.refresh import refresh_accounts
from truto_groups.sync.settle import AccountResult
from truto_groups_tests.stand import GROUPS_PATH, A, B, Stand, groups_of


@dataclass
class Watched:
    """A progress on a clock of its own, with all the lines that it says."""

    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)

    def start(self, account_count: int) -> RunProgress:
        pace = HumanPace(self.lines.append)
        return RunProgress(account_count, heard=pace, monotonic=lambda: self.seconds)


def test_a_line_says_what_is_done_failed_to_go_how_fast_and_how_long_still() -> None:
    watched = Watched()
    progress = watched.start(1200)
    watched.seconds = 60.0
    for number in range(300):
        progress.count_page()
        outcome = "failed" if number < 2 else "held_back" if number < 3 else "published"
        progress.count_account(outcome, is_good=number >= 3, group_count=10)

    assert progress.describe() == (
        "297 of 1,200 accounts done, 3 failed, 900 to go; 2,970 groups, 50 a second, "
        "300 pages fetched; about 3 min left."
    )
    assert progress.summarize() == (
        "300 accounts: 2 failed, 1 held back, 297 published. 900 were not reached. "
        "2,970 groups in 60 s, 50 a second."
    )


def test_of_too_few_accounts_no_time_left_is_told() -> None:
    watched = Watched()
    progress = watched.start(3)
    watched.seconds = 20.0
    progress.count_account("published", is_good=True, group_count=1)

    assert "left" not in progress.describe()


def test_lines_come_at_a_human_pace_also_while_nothing_comes_and_none_when_all_is_done() -> None:
    watched = Watched()
    progress = watched.start(2)
    for second in range(46):
        watched.seconds = float(second)
        progress.wait()
    progress.count_account("published", is_good=True, group_count=1)
    watched.seconds = 70.0
    progress.count_account("published", is_good=True, group_count=1)

    assert len(watched.lines) == 3
    assert all(line.startswith("0 of 2 accounts done, 0 failed, 2 to go") for line in watched.lines)


def test_seconds_that_several_accounts_are_throttled_at_once_are_counted_once() -> None:
    watched = Watched()
    progress = watched.start(5)
    for seconds in (30.0, 30.0, 10.0):
        progress.count_throttling(seconds)
    watched.seconds = 12.0
    assert progress.throttled_seconds == pytest.approx(12.0)
    progress.count_throttling(28.0)
    watched.seconds = 100.0

    assert progress.throttled_seconds == pytest.approx(40.0)
    assert "; throttled for 40 s" in progress.describe()


def test_several_runs_are_counted_together_and_each_for_itself() -> None:
    both = RunProgress(3)
    with counting_together(both):
        runs = [RunProgress(2), RunProgress(1)]
    for run in runs:
        run.count_page()
        run.count_throttling(5.0)
        run.count_account("published", is_good=True, group_count=7)
    runs[0].count_account("failed", is_good=False, group_count=None)

    assert [run.group_count for run in runs] == [7, 7]
    assert (both.ended, both.failed, both.to_go, both.group_count) == (3, 1, 0, 14)
    assert both.page_count == 2


@pytest.mark.long
def test_a_sync_counts_its_pages_and_its_throttling_and_is_heard_while_it_waits(
    stand: Stand,
) -> None:
    stand.put(A, groups_of(250))
    stand.put(B, groups_of(1))
    stand.discover()
    refused: list[str] = []
    heard: list[tuple[int, int]] = []

    def throttle(request: Request) -> Response | None:
        if request.path == GROUPS_PATH and request.integrated_account_id == B and not refused:
            refused.append(B)
            return Response(429, b"{}", {"Retry-After": "2"})
        return None

    stand.server.intercept = throttle
    progress = RunProgress(2, heard=lambda one: heard.append((one.page_count, one.ended)))
    stand.knobs["retry_seconds"] = 20.0
    for result in refresh_accounts(stand.session(), [A, B], run_id="r1", counted=progress):
        assert isinstance(result, AccountResult)
        assert result.is_good
        progress.count_account("published", is_good=True, group_count=1)

    assert progress.ended == 2
    assert progress.page_count == 4
    assert progress.throttled_seconds == pytest.approx(2.0, abs=0.5)
    # More often than it counted: it was heard of while nothing came, too.
    assert len(heard) > 4 + 2 + 1
