"""The accounts of the demo: well-known apps of four tenants, each with its vendor's shapes.

All of it is made up and the same every time. Ids are fixed; nothing is random.

    directories     Okta, JumpCloud, OneLogin, Bitwarden
    work            Jira, Slack, Asana, 15Five, Help Scout
    building        GitLab, JFrog, LaunchDarkly, Vercel
    data_platforms  Databricks, Fivetran
    service_desks   ServiceNow, Freshservice, Opsgenie; and Zendesk, without groups
    truto_test      Truto's own test app
    made_up         values that look like a vendor's
"""

from functools import cache

from truto_groups.sandbox.samples import (
    building,
    data_platforms,
    directories,
    service_desks,
    truto_test,
    work,
)
from truto_groups.sandbox.served_accounts import Account


@cache
def sample_accounts() -> tuple[Account, ...]:
    """The accounts of the demo, in the order they were connected."""
    accounts = (
        *directories.list_accounts(),
        *work.list_accounts(),
        *building.list_accounts(),
        *data_platforms.list_accounts(),
        *service_desks.list_accounts(),
        *truto_test.list_accounts(),
    )
    return tuple(sorted(accounts, key=lambda account: account.created_at))


def sample_account(name: str) -> Account:
    """Find an account of the demo by its label (``acme okta``) or its integration's slug."""
    for account in sample_accounts():
        if name == account.context.get("label"):
            return account
    return next(account for account in sample_accounts() if account.integration.slug == name)
