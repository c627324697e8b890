"""Accounts as people name them: found by the beginning of an id, and said in a few words.

Pure; what is done with an account that is found, or not, is the commands' business.
"""

from collections.abc import Iterable, Sequence

from truto_groups.accounts.model import KnownAccount
from truto_groups.text.visible import show

SHORT_ID = 8


def find_account(name: str, ids: Sequence[str]) -> str | None:
    """Find an account by its id, or by a beginning of it that no other shares."""
    if name in ids:
        return name
    found = [one for one in ids if len(name) >= SHORT_ID and one.startswith(name.lower())]
    return found[0] if len(found) == 1 else None


def say_account(key: str, integration: str, tenant_id: str | None) -> str:
    """Say which account it is: ``launchdarkly of acme (816dafc0)``."""
    whose = f" of {show(tenant_id)}" if tenant_id else ""
    return f"{show(integration)}{whose} ({show(key[:SHORT_ID])})"


def say_accounts(text: str, accounts: Iterable[KnownAccount]) -> str:
    """Say the accounts that a text names by their whole ids as people know them."""
    for account in accounts:
        if account.id in text:
            name = say_account(account.id, account.integration, account.tenant_id)
            text = text.replace(account.id, name)
    return text
