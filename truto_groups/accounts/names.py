"""Accounts as people name them: the partition key, made once and for all, and what finds it again.

Pure; what is done with an account that is found, or not, is the commands' business.
"""

import hashlib
import re
from collections.abc import Collection, Mapping

_ID_DIGITS = 8
_PART_LENGTH = 24
_NOT_IN_A_PART = re.compile(r"[^A-Za-z0-9_-]+")
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_]+")


def make_partition_key(
    account_id: str, *, integration: str, tenant_id: str | None, taken: Collection[str]
) -> str:
    """Make the key by which people and Dagster name an account: ``acme.okta.62f44730``.

    Args:
        account_id: Integrated account id, a UUID.
        integration: The app's kind, as a slug.
        tenant_id: Whose it is, or None.
        taken: Keys of other accounts; where one would be shared, this one takes more digits.
    """
    parts = [part for part in map(_clean, (tenant_id or "", integration)) if part]
    digits = _make_digits(account_id)
    length = _ID_DIGITS
    while (key := ".".join([*parts, digits[:length]])) in taken:
        length += 1
    return key


def may_be_key_of(key: str, account_id: str) -> bool:
    """Whether a key may be that of an account of which no more than the id is known."""
    digits = key.rpartition(".")[2]
    return len(digits) >= _ID_DIGITS and _make_digits(account_id).startswith(digits)


def find_account(name: str, partition_keys: Mapping[str, str]) -> str | None:
    """Find an account by its id, its key, or a beginning of either that no other account shares.

    Args:
        name: What a person wrote.
        partition_keys: The key of each known account, by its id.

    Returns:
        The account's id; None when there is none, or more than one.
    """
    if name in partition_keys:
        return name
    found = find_accounts_beginning(name, partition_keys)
    exact = [one for one in found if partition_keys[one] == name]
    found = exact or found
    return found[0] if len(found) == 1 else None


def find_accounts_beginning(name: str, partition_keys: Mapping[str, str]) -> list[str]:
    """Find the ids of the accounts whose id or key begins so, in whatever case; none by nothing."""
    beginning = name.casefold()
    return [
        account_id
        for account_id, key in partition_keys.items()
        if beginning and any(one.casefold().startswith(beginning) for one in (account_id, key))
    ]


def say_account(partition_key: str, label: str | None = None) -> str:
    """Say which account it is: ``acme.okta.62f44730 (Okta EU)``; the label is text from outside."""
    return f"{partition_key} ({label})" if label else partition_key


def _make_digits(account_id: str) -> str:
    """The signs of which a key takes the first."""
    # Ids of other signs than a UUID's may leave the same digits, or none.
    return _NOT_IN_AN_ID.sub("", account_id) + hashlib.sha256(account_id.encode()).hexdigest()


def _clean(text: str) -> str:
    """A part of a key out of a text."""
    cleaned = re.sub("-+", "-", _NOT_IN_A_PART.sub("-", text)).strip("-")
    return cleaned[:_PART_LENGTH].strip("-")
