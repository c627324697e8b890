"""Tell why a request was given up that could have healed, and what a person can do about it.

Pure: what was tried and why it failed in, an exception out. When to give up is retry.py's.
"""

from dataclasses import dataclass
from typing import Final

from truto_groups.coordination.seam import Ceiling
from truto_groups.errors import RetriesExhaustedError
from truto_groups.truto.refusals import Subject
from truto_groups.truto.retry import RetryPolicy, Wish

SHARED_KEY: Final = "token"

_BLOCKED: Final = "Ask Truto's support why the account is blocked; until then no sync succeeds."
_UNREACHED: Final = (
    "Check TRUTO_BASE_URL, this machine's network and its proxy; the next sync tries again."
)
_USUAL: Final = "The next sync tries again; if it stays like this, look at Truto's status page."


@dataclass(frozen=True, slots=True)
class Setback:
    """Why an attempt failed that may heal.

    Attributes:
        reason: In words.
        wish: How long the server wants us to wait.
        limit: Which ceiling is to be slowed down for that.
        is_blocked: Whether Truto blocks the account.
        is_unreached: Whether no connection came about.
    """

    reason: str
    wish: Wish | None = None
    limit: Ceiling | None = None
    is_blocked: bool = False
    is_unreached: bool = False


def build_give_up(
    subject: Subject,
    setback: Setback,
    *,
    policy: RetryPolicy,
    attempt: int,
    spent: float,
    remembered_in: str | None,
) -> RetriesExhaustedError:
    """Build the exception for a request whose budget has ended.

    Args:
        subject: What was asked for.
        setback: Why the last attempt failed, or why there was none.
        policy: The budget.
        attempt: How many attempts were made.
        spent: Seconds since the first.
        remembered_in: Where other processes find the pause, as a clause; None where they do not.
    """
    told = f"failed {attempt} time{'s' if attempt > 1 else ''} in {spent:.0f} s"
    if attempt == 0:
        told = "was not tried"
    elif attempt < policy.attempts:
        told += ", and the budget of `retry_seconds` does not reach to the next attempt"
    wish = setback.wish
    asked = f" (asked to wait {wish.seconds:.0f} s)" if wish and wish.seconds else ""
    return RetriesExhaustedError(
        f"{subject} {told}; the reason: {setback.reason}{asked}.",
        advice=_advise(setback, remembered_in),
        integrated_account_id=subject.integrated_account_id,
    )


def _advise(setback: Setback, remembered_in: str | None) -> str:
    if setback.is_blocked:
        return _BLOCKED
    if setback.is_unreached:
        return _UNREACHED
    advice = [_USUAL]
    if setback.wish is not None and setback.wish.header:
        advice.insert(0, f"The header `{setback.wish.header}` of an answer asked for the wait.")
    limit = setback.limit
    if limit is not None and limit.requests and remembered_in is not None:
        whose = "the token" if limit.key == SHARED_KEY else "the account"
        advice.append(
            f"Until the wait is over nothing is asked for {whose}, also by other runs: "
            f"{remembered_in}."
        )
    return " ".join(advice)
