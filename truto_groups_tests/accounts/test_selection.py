"""Whom a person means by names, tenants, integrations and states. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from truto_groups.accounts.freshness import find_stale_accounts
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.selection import (
    AccountFilter,
    Selection,
    find_named,
    find_states,
    select_accounts,
)
from truto_groups_tests.stand import START, A, B, C, D, known_account

NOW = START + timedelta(days=2)


def known(key: str, integration: str, tenant_id: str | None, **fields: object) -> KnownAccount:
    account = known_account(
        key,
        partition_key=f"{tenant_id or 'none'}.{integration}.{key[:8]}",
        integration=integration,
        tenant_id=tenant_id,
    )
    return replace(account, **fields)


FRESH = known(A, "okta", "acme", last_confirmed_at=NOW, outcome="unchanged")
STALE = known(B, "okta", "globex", last_confirmed_at=START, outcome="failed")
BROKEN = known(C, "slack", "acme", status="needs_reauth")
GONE = known(D, "jira", None, gone_at=NOW, last_confirmed_at=NOW, outcome="held_back")
ALL = [FRESH, STALE, BROKEN, GONE]


def select(accounts: Sequence[KnownAccount] = ALL, /, **wanted: Sequence[str]) -> Selection:
    stale = find_stale_accounts(accounts, max_age_of=lambda account: timedelta(days=1), now=NOW)
    return select_accounts(accounts, AccountFilter(**wanted), states_of=find_states(stale))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [A, B, C, D]),
        ({"tenants": ["acme"]}, [A, C]),
        ({"integrations": ["okta"]}, [A, B]),
        ({"integrations": ["okta", "slack"], "tenants": ["acme"]}, [A, C]),
        ({"names": [B[:8], A], "tenants": ["globex"]}, [B]),
        ({"names": ["globex.okta.bbbbbbbb", "ACME.okta", "cc"]}, [A, B, C]),
        ({"states": ["stale"]}, [B]),
        ({"states": ["fresh"]}, [A, D]),
        ({"states": ["failed", "held-back"]}, [B, D]),
        ({"states": ["Needs_Reauth"]}, [C]),
        ({"states": ["active"]}, [A, B]),
        ({"states": ["gone"]}, [D]),
        ({"states": ["never_synced"]}, [C]),
        ({"states": ["interrupted"]}, []),
        ({"states": ["stale"], "tenants": ["acme"]}, []),
    ],
)
def test_of_each_kind_any_and_of_all_kinds_that_are_given(
    wanted: dict[str, Sequence[str]], found: list[str]
) -> None:
    selection = select(**wanted)

    assert [account.id for account in selection.accounts] == found
    assert selection.unknown == []


@pytest.mark.parametrize(
    ("wanted", "what", "hint"),
    [
        ({"tenants": ["acmee"]}, "no account of such a tenant", "did you mean acme?"),
        ({"integrations": ["Okat"]}, "no account of such an integration", "did you mean okta?"),
        ({"states": ["fail"]}, "no account of such a state", "did you mean failed?"),
        ({"names": ["aaaabaaa"]}, "no such account", "did you mean acme.okta.aaaaaaaa?"),
        ({"names": [""]}, "no such account", "`truto-groups status` shows all."),
        ({"names": ["okta"]}, "no such account", "`--integration okta` names all of that integra"),
        ({"names": ["acme"]}, "no such account", "`--tenant acme` names all of that tenant."),
        ({"names": ["Acme."]}, "no one account alone, 2 begin so", "acme.okta.aaaaaaaa, acme.sla"),
        ({"names": ["xyz"]}, "no such account", "`truto-groups status` shows all."),
    ],
)
def test_a_mistyped_name_is_answered_with_the_nearest(
    wanted: dict[str, Sequence[str]], what: str, hint: str
) -> None:
    (unknown,) = select(**wanted).unknown

    assert unknown.name in next(iter(wanted.values()))[0].lower() + next(iter(wanted.values()))[0]
    assert (unknown.what, unknown.hint[: len(hint)]) == (what, hint)


def test_a_name_of_somebody_else_in_a_hint_is_obeyed_by_no_terminal() -> None:
    evil = known(A, "okta", "acme\x1b[2J")

    (unknown,) = select([evil], tenants=["acme"]).unknown
    assert unknown.hint == "did you mean acme\\x1b[2J?"


def test_an_account_that_is_named_twice_is_found_once_and_unknown_names_are_all_told() -> None:
    found, unknown = find_named([A, A[:8], "nobody-a", "nobody-b"], ALL)

    assert found == [A]
    assert [one.name for one in unknown] == ["nobody-a", "nobody-b"]
