"""What a week comes to: runs, requests, what is kept of it, and what planning took."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from statistics import mean

from truto_groups.accounts.planning import REFRESH_TICK
from truto_groups.settings import EffectiveKnobs
from truto_groups_tests.scale_simulation.world import World

_TICKS_A_DAY = timedelta(days=1) // REFRESH_TICK
_TICKS_AN_HOUR = timedelta(hours=1) // REFRESH_TICK
# An account of 250 groups, in pages of a hundred.
_REQUESTS_OF_A_SYNC = 3
_CHANGED_SHARE = 0.05
# Measured: docs/operate.md.
_EVENT_KB_OF_A_SYNC = 36
_LEDGER_BYTES_OF_A_SYNC = 76


@dataclass(frozen=True)
class Figures:
    """What a world comes to after its first day, in which everything is synced for the first time.

    Attributes:
        accounts: How many there are.
        runs_a_tick: Mean and most.
        accounts_a_run: Mean, middle half's ends, and most.
        syncs_a_day: Mean.
        early_share: Of the syncs, those that came early.
        failing: How many failed accounts wait at any time, mean.
        late: How many due ones were in no run after a tick, at most.
        oldest: The longest that an account that can be synced was not confirmed.
        requests_an_hour: Mean, and in the busiest one.
        share_of_ceiling: Of the requests that the token may send, in the busiest hour.
        milliseconds: CPU of planning, by tick.
    """

    accounts: int
    runs_a_tick: tuple[float, int]
    accounts_a_run: tuple[float, int]
    syncs_a_day: float
    early_share: float
    failing: float
    late: int
    oldest: timedelta
    requests_an_hour: tuple[float, int]
    share_of_ceiling: float
    milliseconds: float

    @property
    def microseconds_an_account(self) -> float:
        """CPU of planning, by account and tick."""
        return self.milliseconds * 1000 / self.accounts


def sum_up(world: World) -> Figures:
    """Sum up what was counted after the first day."""
    counts = world.counts
    runs = counts.runs[_TICKS_A_DAY:]
    ticks = range(_TICKS_A_DAY, len(counts.runs))
    looks = len(counts.late) * _TICKS_A_DAY // len(counts.runs)
    syncs = sum(counts.syncs[tick] for tick in ticks)
    by_hour = Counter[int]()
    for tick in ticks:
        by_hour[tick // _TICKS_AN_HOUR] += counts.syncs[tick] * _REQUESTS_OF_A_SYNC
    sizes = counts.sizes[sum(counts.runs[:_TICKS_A_DAY]) :]
    ceiling = EffectiveKnobs.requests_per_10_seconds * 360
    return Figures(
        accounts=len(world.accounts),
        runs_a_tick=(mean(runs), max(runs)),
        accounts_a_run=(mean(sizes), max(sizes)),
        syncs_a_day=syncs * _TICKS_A_DAY / len(ticks),
        early_share=sum(counts.early[tick] for tick in ticks) / syncs,
        failing=mean(counts.failing[looks:]),
        late=max(counts.late[looks:]),
        oldest=max(counts.oldest[looks:]),
        requests_an_hour=(mean(by_hour.values()), max(by_hour.values())),
        share_of_ceiling=max(by_hour.values()) / ceiling,
        milliseconds=1000 * mean(counts.planning_seconds[_TICKS_A_DAY:]),
    )


def draw(figures: list[Figures]) -> str:
    """Draw a table in Markdown, a column for each world."""
    rows = {
        "accounts": [f"{one.accounts:,}" for one in figures],
        "ticks of the schedule and runs, a day": [
            f"{_TICKS_A_DAY}; {one.runs_a_tick[0] * _TICKS_A_DAY:,.0f}" for one in figures
        ],
        "runs a tick, mean and most": [_pair(one.runs_a_tick) for one in figures],
        "accounts a run, mean and most": [_pair(one.accounts_a_run) for one in figures],
        "syncs a day": [f"{one.syncs_a_day:,.0f}" for one in figures],
        "of these early": [f"{one.early_share:.1%}" for one in figures],
        "failed ones that wait for a retry, mean": [f"{one.failing:,.1f}" for one in figures],
        "due ones in no run after a tick, most": [f"{one.late:,}" for one in figures],
        "oldest confirmation": [f"{one.oldest / timedelta(hours=1):.1f} h" for one in figures],
        "requests an hour, mean and most": [_pair(one.requests_an_hour) for one in figures],
        "most of the token's ceiling": [f"{one.share_of_ceiling:.1%}" for one in figures],
        "Dagster's events, MB a day": [
            f"{one.syncs_a_day * _EVENT_KB_OF_A_SYNC / 1000:,.0f}" for one in figures
        ],
        "rows of the ledger a day, and MB": [
            f"{one.syncs_a_day:,.0f}; {one.syncs_a_day * _LEDGER_BYTES_OF_A_SYNC / 1e6:,.1f}"
            for one in figures
        ],
        "accounts that publish changes a day": [
            f"{one.syncs_a_day * _CHANGED_SHARE:,.0f}" for one in figures
        ],
        "CPU ms of planning a tick": [f"{one.milliseconds:,.1f}" for one in figures],
        "CPU µs of planning an account and tick": [
            f"{one.microseconds_an_account:.1f}" for one in figures
        ],
    }
    (first, heads), *others = rows.items()
    lines = [f"| {first} | {' | '.join(heads)} |", "| --- |" + " --- |" * len(heads)]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(row)} |" for name, row in others)])


def _pair(pair: tuple[float, float]) -> str:
    usual, most = pair
    return f"{usual:,.1f}; {most:,}" if usual < 100 else f"{usual:,.0f}; {most:,}"
