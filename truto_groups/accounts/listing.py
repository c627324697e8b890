"""Plan what a listing of integrated accounts means for what we know.

Pure set arithmetic over accounts: no Dagster, no network. Listing them is the client's job, and
turning the plan into Dagster requests is defs/'s. A doubtful listing makes nobody disappear.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta

from truto_groups.accounts.model import KnownAccount, ListedAccount
from truto_groups.errors import DoubtfulListingError

CAPABILITIES_MAX_AGE = timedelta(days=1)
MAX_QUESTIONS_IN_A_TICK = 20
OLDEST_LISTING = timedelta(hours=1)
"""How long ago discovery, which lists every five minutes, may have listed while it is well."""


def find_gone(
    listed: Iterable[ListedAccount],
    *,
    present: Set[str],
    max_missing_share: float,
) -> list[str]:
    """Find the known accounts that a complete listing lacks.

    Args:
        listed: All of the listing.
        present: Ids of the known accounts, those already gone apart.
        max_missing_share: Share of the known accounts, 0 to 1, that may be missing at once.

    Returns:
        Ids of accounts that are gone now.

    Raises:
        DoubtfulListingError: The listing is empty or lacks too many; nobody is gone.
    """
    ids = {account.id for account in listed}
    missing = present - ids
    if present and not ids:
        raise DoubtfulListingError(
            f"Truto listed no integrated account at all, but {len(present)} are known.",
            advice="None is taken as gone. Check that TRUTO_API_TOKEN (or the variable that "
            "token_variable names) belongs to the environment that these accounts are in.",
        )
    if missing and len(missing) / len(present) > max_missing_share:
        raise DoubtfulListingError(
            f"Truto's listing lacks {len(missing)} of {len(present)} known integrated accounts, "
            f"more than the share of {max_missing_share:g} that may disappear at once.",
            advice="None is taken as gone. If they were really removed, raise "
            "discovery.max_missing_share in the settings file for one tick.",
        )
    return sorted(missing)


def find_expired(
    known: Iterable[KnownAccount],
    *,
    in_flight: Collection[str],
    grace_period: timedelta,
    now: datetime,
) -> list[str]:
    """Find the gone accounts, by id, whose grace period is over and that no run needs any more."""
    return [
        account.id
        for account in known
        if account.gone_at is not None
        and now - account.gone_at >= grace_period
        and account.partition_key not in in_flight
    ]


def plan_questions(
    known: Iterable[KnownAccount],
    *,
    capabilities: Mapping[str, tuple[bool | None, datetime]],
    now: datetime,
) -> Sequence[KnownAccount]:
    """Choose accounts through which to ask whether their integrations list groups.

    Returns:
        One active account for each integration that was not asked for a day, those never asked
        first, a bounded number.
    """
    by_integration: dict[str, KnownAccount] = {}
    for account in known:
        if account.has_integration and account.is_active and account.gone_at is None:
            by_integration.setdefault(account.integration, account)
    never = [a for name, a in by_integration.items() if name not in capabilities]
    old = [
        a
        for name, a in by_integration.items()
        if name in capabilities and now - capabilities[name][1] >= CAPABILITIES_MAX_AGE
    ]
    return [*never, *old][:MAX_QUESTIONS_IN_A_TICK]
