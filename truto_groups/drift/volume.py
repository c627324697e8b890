"""How many groups are plausible for an account, judged by its own recent history.

A list that broke off or lost its permissions looks like a list of fewer groups. An account of five
may well lose two in a day, one of fifty thousand does not lose twenty thousand. So the share that
went is compared with what an account of this size and steadiness may lose: a beta-binomial tail
whose prior is an account of which nothing is known, and which each past sync makes narrower.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from truto_groups.drift.probability import tail

VolumeOutcome = Literal["ok", "warn", "hold_back"]

SMALLEST_EMPTIED = 3
"""From so many groups on a fall to zero is held back: one or two groups may well be deleted, and
then an account is empty. It is told all the same, because a lost permission looks like that."""

_FALL_PRIOR = (0.5, 9.5)
_RISE_PRIOR = (1.0, 4.0)
_MOST_SYNCS = 20

_TELL = 1e-3
_HOLD = 1e-4
_LEAST_TOLD_FALL = 0.2
_LEAST_TOLD_LOSS = 5
_LEAST_HELD_FALL = 0.3
_LIKE_BEFORE = 1.25


@dataclass(frozen=True)
class VolumeVerdict:
    """Whether a number of groups is plausible.

    Attributes:
        outcome: ok, warn (publish and tell) or hold_back.
        observed: Groups received, each id once.
        usual: Groups at the last confirmed sync; None for a first sync.
        moved: Growth as a share of ``usual``, negative for a fall; 0 where there is none.
        chance: The probability of so large a move; 1 where nothing was asked.
        reason: The numbers and the limit, in a sentence; "" when all is well.
        is_permission_lost: Whether a lost permission explains a fall.
    """

    outcome: VolumeOutcome
    observed: int
    usual: int | None = None
    moved: float = 0.0
    chance: float = 1.0
    reason: str = ""
    is_permission_lost: bool = False


def plausible_count(
    observed: int,
    *,
    history: Sequence[int],
    max_fall: float | None = None,
    max_rise: float | None = None,
    hold_back: bool = True,
) -> VolumeVerdict:
    """Judge a number of groups.

    Args:
        observed: Groups received, each id once.
        history: Groups of the account's recent confirmed syncs, oldest first. What was confirmed
            before is plausible again; an empty history makes anything plausible.
        max_fall: Share of the groups that may go, 0 to 1 (1 lets an account become empty). Set, it
            decides instead of the history.
        max_rise: Growth that is plausible, 1.0 being twice as many. Set, it decides as well.
        hold_back: Whether what is not plausible is held back; else it publishes and warns.

    Returns:
        The verdict, with the numbers.
    """
    if not history or observed == history[-1]:
        return VolumeVerdict("ok", observed, history[-1] if history else None)
    usual = history[-1]
    if observed < usual:
        verdict = _judge_fall(observed, history=history[-_MOST_SYNCS:], limit=max_fall)
    else:
        verdict = _judge_rise(observed, history=history[-_MOST_SYNCS:], limit=max_rise)
    if verdict.outcome == "hold_back" and not hold_back:
        return VolumeVerdict("warn", observed, usual, verdict.moved, verdict.chance, verdict.reason)
    return verdict


def _judge_fall(observed: int, *, history: Sequence[int], limit: float | None) -> VolumeVerdict:
    usual = history[-1]
    lost = (usual - observed) / usual
    numbers = f"{observed:,} groups instead of {usual:,} ({lost:.0%} fewer)"
    if limit is not None:
        outcome: VolumeOutcome = "hold_back" if lost > limit else "ok"
        reason = f"{numbers}; the settings allow a fall of {limit:.0%} (max_fall)."
        return VolumeVerdict(outcome, observed, usual, -lost, 1.0, reason if lost > limit else "")
    if not observed:
        return _judge_emptied(history, reason=f"{numbers}: the account became empty.")
    chance = chance_of_fall(observed, history=history)
    is_small = lost < _LEAST_TOLD_FALL or usual - observed < _LEAST_TOLD_LOSS
    is_usual = observed >= min(history) or lost <= _LIKE_BEFORE * _largest_fall(history)
    if is_small or is_usual or chance >= _TELL:
        return VolumeVerdict("ok", observed, usual, -lost, chance)
    outcome = "hold_back" if chance < _HOLD and lost >= _LEAST_HELD_FALL else "warn"
    reason = f"{numbers}; {_range_text(history)}. A fall like this is no chance at this size."
    return VolumeVerdict(outcome, observed, usual, -lost, chance, reason)


def _judge_emptied(history: Sequence[int], *, reason: str) -> VolumeVerdict:
    usual = history[-1]
    has_come_and_gone = history.count(0) > 1
    if max(history) < SMALLEST_EMPTIED or 0 in history:
        outcome: VolumeOutcome = "ok" if has_come_and_gone else "warn"
    else:
        outcome = "hold_back"
    return VolumeVerdict(outcome, 0, usual, -1.0, 0.0, "" if outcome == "ok" else reason)


def _judge_rise(observed: int, *, history: Sequence[int], limit: float | None) -> VolumeVerdict:
    usual = history[-1]
    if not usual:
        return VolumeVerdict("ok", observed, usual)  # the first groups of an empty account
    grown = (observed - usual) / usual
    numbers = f"{observed:,} groups instead of {usual:,} ({grown:.0%} more)"
    if limit is not None:
        outcome: VolumeOutcome = "hold_back" if grown > limit else "ok"
        reason = f"{numbers}; the settings allow a rise of {limit:.0%} (max_rise)."
        return VolumeVerdict(outcome, observed, usual, grown, 1.0, reason if grown > limit else "")
    chance = chance_of_rise(observed, history=history)
    if observed <= max(history) or chance >= _HOLD:
        return VolumeVerdict("ok", observed, usual, grown, chance)
    # More groups overwrite nothing that was right, so a rise is told and published.
    reason = f"{numbers}; {_range_text(history)}. A filter may have been ignored."
    return VolumeVerdict("warn", observed, usual, grown, chance, reason)


def _largest_fall(history: Sequence[int]) -> float:
    """The largest share lost between two syncs, those to zero aside."""
    return max(
        (1 - after / before for before, after in pairwise(history) if after < before and after),
        default=0.0,
    )


def chance_of_fall(observed: int, *, history: Sequence[int]) -> float:
    """The probability that an account with this history keeps so few of its groups."""
    alpha, beta = _FALL_PRIOR
    for before, after in pairwise(history):
        if before:
            lost = max(before - after, 0) / before
            alpha, beta = alpha + lost, beta + 1 - lost
    return tail(observed, history[-1], alpha=beta, beta=alpha)


def chance_of_rise(observed: int, *, history: Sequence[int]) -> float:
    """The probability that so many of an account's groups are new since its last sync."""
    alpha, beta = _RISE_PRIOR
    for before, after in pairwise(history):
        if after:
            new = max(after - before, 0) / after
            alpha, beta = alpha + new, beta + 1 - new
    return tail(history[-1], observed, alpha=beta, beta=alpha)


def _range_text(history: Sequence[int]) -> str:
    if len(history) == 1:
        return "there is one earlier sync to compare with"
    return f"the last {len(history)} syncs had {min(history):,} to {max(history):,}"
