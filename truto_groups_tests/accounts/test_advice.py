"""What is advised about an account that cannot be synced. Pure."""

import pytest

from truto_groups.accounts.advice import advise_stale, find_obstacle
from truto_groups_tests.stand import A, known_account


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"status": "needs_reauth", "last_error": "Revoked"},
            "Its status is needs_reauth (Revoked); have the tenant reconnect the app.",
        ),
        (
            {"status": "connecting"},
            "Its status is connecting; it is still being set up: if it stays like this for an "
            "hour, have the tenant reconnect the app.",
        ),
    ],
)
def test_an_account_that_is_not_active_is_told_with_what_helps_in_its_status(
    fields: dict[str, str], told: str
) -> None:
    account = known_account(A, **fields)
    assert find_obstacle(account, skip=False) == told
    assert advise_stale(account) == told
