"""How far a run has come: counted while it goes on, and said in a line at a human pace.

Nothing is fetched or printed here: the sync counts, and whoever made the count hears of it, be it
the run's log in Dagster or a bar in a terminal. Runs of the same process can be counted together.
"""

import contextlib
import time
from collections.abc import Callable, Generator, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta

from truto_groups.text.words import say_count, say_duration

SECONDS_BETWEEN_LINES = 15.0
# Of fewer accounts, the largest of which are begun first, no rate can be told.
_ACCOUNTS_OF_A_RATE = 3

_together: ContextVar["RunProgress | None"] = ContextVar("progress_of_all_runs", default=None)


def _ignore(progress: "RunProgress") -> None:
    del progress


@dataclass(eq=False)
class RunProgress:
    """What a run has done so far.

    Attributes:
        account_count: Accounts that the run is to sync.
        heard: Called whenever something was counted, and every second while nothing comes.
        monotonic: Seconds since any moment, which never go back.
        outcomes: How accounts ended, in that order.
        group_count: Groups of the accounts that ended well.
        page_count: Pages that have arrived, also of accounts that are under way.
    """

    account_count: int = 0
    heard: Callable[["RunProgress"], None] = _ignore
    monotonic: Callable[[], float] = time.monotonic
    outcomes: list[str] = field(default_factory=list[str])
    group_count: int = 0
    page_count: int = 0
    _failed: int = 0
    _throttled_seconds: float = 0.0
    _throttled_until: float = 0.0
    _together: "RunProgress | None" = field(default_factory=_together.get)

    def __post_init__(self) -> None:
        """Begin now."""
        self._began = self.monotonic()

    def count_account(self, outcome: str, *, is_good: bool, group_count: int | None) -> None:
        """An account has ended."""
        self.outcomes.append(outcome)
        self._failed += not is_good
        self.group_count += (group_count or 0) if is_good else 0
        if self._together is not None:
            self._together.count_account(outcome, is_good=is_good, group_count=group_count)
        self.heard(self)

    def count_page(self) -> None:
        """A page has arrived."""
        self.page_count += 1
        if self._together is not None:
            self._together.count_page()
        self.heard(self)

    def count_throttling(self, seconds: float) -> None:
        """Truto or an app asks to slow down from now on for so many seconds."""
        now = self.monotonic()
        until = max(self._throttled_until, now + seconds)
        # Accounts are asked side by side, and seconds that several wait are counted once.
        self._throttled_seconds += until - max(self._throttled_until, now)
        self._throttled_until = until
        if self._together is not None:
            self._together.count_throttling(seconds)
        self.heard(self)

    def wait(self) -> None:
        """Nothing has come for a while."""
        if self._together is not None:
            self._together.wait()
        self.heard(self)

    @property
    def ended(self) -> int:
        """Accounts that have ended, well or not."""
        return len(self.outcomes)

    @property
    def failed(self) -> int:
        """Accounts that failed or were held back."""
        return self._failed

    @property
    def to_go(self) -> int:
        """Accounts that have not ended."""
        return max(0, self.account_count - self.ended)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self.monotonic() - self._began

    @property
    def throttled_seconds(self) -> float:
        """During which somebody had asked to slow down."""
        return self._throttled_seconds - max(0.0, self._throttled_until - self.monotonic())

    @property
    def seconds_left(self) -> float | None:
        """About how long the rest takes, by what ended so far; None when that is too little."""
        if self.ended < _ACCOUNTS_OF_A_RATE:
            return None
        return self.seconds / self.ended * self.to_go

    def describe(self) -> str:
        """Say in a line how far it has come."""
        done = self.ended - self._failed
        parts = [
            f"{done:,} of {say_count(self.account_count, 'account')} done, "
            f"{self._failed:,} failed, {self.to_go:,} to go",
            f"{say_count(self.group_count, 'group')}, {self._say_rate()}, "
            f"{say_count(self.page_count, 'page')} fetched",
            *self._say_throttling(),
        ]
        if self.to_go and self.seconds_left is not None:
            parts.append(f"about {say_duration(timedelta(seconds=self.seconds_left))} left")
        return f"{'; '.join(parts)}."

    def summarize(self) -> str:
        """Say in a line what was done, when it is over."""
        left = f" {self.to_go:,} were not reached." if self.to_go else ""
        return f"{say_outcomes(self.outcomes)}.{left} {self.summarize_pace()}."

    def summarize_pace(self) -> str:
        """Say how many groups came in which time, and how long that was throttled."""
        took = say_duration(timedelta(seconds=self.seconds))
        groups = f"{say_count(self.group_count, 'group')} in {took}, {self._say_rate()}"
        return "; ".join([groups, *self._say_throttling()])

    def _say_rate(self) -> str:
        return f"{self.group_count / max(self.seconds, 1.0):,.0f} a second"

    def _say_throttling(self) -> list[str]:
        seconds = self.throttled_seconds
        return [f"throttled for {say_duration(timedelta(seconds=seconds))}"] if seconds >= 1 else []


def say_outcomes(outcomes: Iterable[str]) -> str:
    """Say how many accounts ended how: ``3 accounts: 1 failed, 2 published``."""
    ended = sorted(outcomes)
    told = [f"{ended.count(kind):,} {kind.replace('_', ' ')}" for kind in dict.fromkeys(ended)]
    accounts = say_count(len(ended), "account")
    return f"{accounts}: {', '.join(told)}" if told else accounts


@contextlib.contextmanager
def counting_together(progress: RunProgress) -> Generator[None]:
    """Count what the runs of the block do into one progress, too."""
    token = _together.set(progress)
    try:
        yield
    finally:
        _together.reset(token)


class HumanPace:
    """Says how far a run has come, but not more often than a person wants to read it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Prepare; ``say`` takes the lines."""
        self._say = say
        self._said_at = 0.0

    def __call__(self, progress: RunProgress) -> None:
        """Say it, if it is time."""
        if progress.to_go and progress.seconds - self._said_at >= SECONDS_BETWEEN_LINES:
            self._said_at = progress.seconds
            self._say(progress.describe())
