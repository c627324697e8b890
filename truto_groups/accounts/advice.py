"""What a person is told of an account that is not synced, or not lately: why, and what to do.

Pure: the words alone. Who is synced is planning.py's, who is stale freshness.py's; what went wrong
in a sync is told by its error.
"""

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.planning import is_syncable

WAITS_FOR_FIRST_SYNC = "It waits for its first sync: run `truto-groups sync`, or start Dagster."
_RECONNECT = "have the tenant reconnect the app"
_CONNECTING = "it is still being set up: if it stays like this for an hour, " + _RECONNECT


def find_obstacle(account: KnownAccount, *, skip: bool) -> str | None:
    """Say why an account cannot be synced at all; None when it can."""
    if is_syncable(account, skip=skip):
        return None
    if account.gone_at is not None:
        return "Truto no longer lists it."
    if skip:
        return "The settings file skips it."
    if account.supports_groups is False:
        return f"Its integration, {account.integration}, has no groups."
    return _advise_inactive(account)


def advise_stale(account: KnownAccount) -> str:
    """Say why an account's groups are as old as they are, and what to do."""
    if not account.is_active:
        return _advise_inactive(account)
    if account.outcome == "held_back":
        return "Its last sync was held back; see groups_match_contract and accept_drift."
    if account.error:
        return account.error
    return "Look at its last runs; is the Dagster daemon running?"


def _advise_inactive(account: KnownAccount) -> str:
    advice = _CONNECTING if account.status == "connecting" else _RECONNECT
    return f"Its status is {account.status}{_quote(account)}; {advice}."


def _quote(account: KnownAccount) -> str:
    return f" ({account.last_error})" if account.last_error else ""
