"""The picture over all accounts, of more than any section has room for. Pure; nothing is faked."""

import base64
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from truto_groups.accounts.coverage import find_coverage
from truto_groups.accounts.model import KnownAccount
from truto_groups.report.changes import ChangedAccount, ChangedGroup
from truto_groups.report.needs import Need, Trouble, find_needs
from truto_groups.report.overview import (
    FailingCheck,
    Overview,
    Routes,
    TypeCount,
    render_overview,
)
from truto_groups_tests.stand import START, known_account

NOW = START + timedelta(days=3)
MAX_AGE = timedelta(days=1)
ROUTES = Routes(
    to_account=lambda key: f"/account/{key}",
    to_run=lambda run_id: f"/run/{run_id}",
    to_accept=lambda need: f"/accept/{need.account.partition_key}",
)
STALE = [
    known_account(
        f"{number:08x}-0000-4000-8000-000000000009",
        partition_key=f"acme.okta.{number:08x}",
        outcome="published",
        last_confirmed_at=START,
    )
    for number in range(141)
]


def needs_of(*accounts: KnownAccount, **more: Any) -> list[Need]:
    values: dict[str, Any] = {"troubles": {}, "pending": {}, "drifted_since": {}, **more}
    found = {"max_age_of": lambda account: MAX_AGE, **values}
    return find_needs(accounts, now=NOW, **found)


def picture(*accounts: KnownAccount, **more: Any) -> str:
    overview = Overview(
        accounts=accounts,
        skipped=frozenset(),
        private=frozenset(),
        needs=needs_of(*accounts),
        checks=[],
        coverage=find_coverage(accounts, max_age_of=lambda account: MAX_AGE, now=NOW),
        types=[],
        changes=[],
        totals=[],
        notices=[],
        now=NOW,
    )
    return render_overview(replace(overview, **more), ROUTES)


def section(text: str, title: str) -> list[str]:
    (found,) = [one for one in text.split("### ") if one.startswith(title)]
    return found.rstrip().split("\n")


def test_of_more_accounts_than_a_section_shows_the_others_are_counted_with_where_they_are() -> None:
    group = ChangedGroup("g", "added", None, "Ops")
    changes = [
        ChangedAccount(one.id, one.partition_key, None, {"added": 1}, [group], NOW) for one in STALE
    ]

    text = picture(*STALE, changes=changes)

    needs = section(text, "Needs you (141)")
    assert len([line for line in needs if "/account/" in line]) == 50
    assert needs[-1] == "Every check is green."
    assert "and 91 more: `truto-groups status`" in needs
    missing = section(text, "What is complete")
    assert missing[2].startswith("**0 of 141 active accounts are complete and fresh")
    assert len([line for line in missing if "/account/" in line]) == 25
    assert missing[-1].startswith("and 116 more: `truto-groups status --state stale`")
    changed = section(text, "Changed since yesterday")
    assert changed[2] == "**141 added**, in 141 accounts:"
    assert changed[-1] == "- and 116 more accounts: the table `group_changes`"


def test_what_is_missing_is_named_with_since_when_why_and_what_to_do() -> None:
    missing = section(picture(STALE[7]), "What is complete")

    (row,) = [line for line in missing if "/account/" in line]
    assert row == (
        "| [acme.okta.00000007](/account/acme.okta.00000007) "
        "| 01\u00a0Mar\u00a02026 12:00\u00a0UTC "
        "| It was last confirmed 3 d 0 h before; max\\_age is 1 d 0 h. "
        "| Look at its last runs; is the Dagster daemon running? |"
    )


def test_a_check_is_red_or_yellow_as_it_is_an_error_or_a_warning() -> None:
    checks = [FailingCheck(f"check{number}", not number, "It says.", "/c") for number in range(2)]

    lines = section(picture(STALE[0], checks=checks), "Needs you")

    assert lines[-2:] == [
        "| [check0](/c) | red | It says. |",
        "| [check1](/c) | yellow | It says. |",
    ]


def test_more_integrations_than_a_picture_shows_are_joined_there_and_all_are_in_the_table() -> None:
    types = [TypeCount(f"app{number:02}", "team", 100 - number) for number in range(30)]

    lines = section(picture(STALE[0], types=types), "Groups by integration and type")

    (encoded,) = re.findall(r"base64,([^)]+)\)", "\n".join(lines))
    drawn = base64.b64decode(encoded).decode()
    assert ">app18<" in drawn
    assert ">app19<" not in drawn
    assert ">11 others<" in drawn
    assert f">{sum(100 - number for number in range(19, 30))}<" in drawn
    assert len([line for line in lines if line.startswith("| app")]) == 30


@pytest.mark.parametrize(
    "fields",
    [{"gone_at": NOW}, {"supports_groups": False}],
    ids=["gone", "without groups"],
)
def test_who_cannot_be_synced_and_needs_not_be_needs_nobody(fields: dict[str, Any]) -> None:
    account = replace(STALE[0], status="needs_reauth", outcome="failed", **fields)
    troubles = {account.id: Trouble(START, "run")}

    assert needs_of(account, troubles=troubles) == []
    failed = replace(STALE[0], outcome="failed")
    assert needs_of(failed, troubles=troubles, max_age_of=lambda account: None) == []
    assert [one.state for one in needs_of(STALE[0])] == ["stale"]
