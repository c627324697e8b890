"""Keys of accounts, and accounts by the names that people give them. Pure."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truto_groups.accounts.names import find_account, make_partition_key, say_account
from truto_groups_tests.stand import A, B, C

KEYS = {A: "acme.okta.aaaaaaaa", B: "acme.okta.bbbbbbbb", C: "globex.slack.cccccccc"}


@pytest.mark.parametrize(
    ("tenant", "integration", "expected"),
    [
        ("acme", "okta", "acme.okta.62f44730"),
        (None, "okta", "okta.62f44730"),
        ("", "okta", "okta.62f44730"),
        ("Größe & Co.", "google-workspace", "Gr-e-Co.google-workspace.62f44730"),
        ("漢字", "okta", "okta.62f44730"),
        ("--a__b--", "okta", "a__b.okta.62f44730"),
        ("a - b", "okta", "a-b.okta.62f44730"),
        ("a.b", "micro.soft", "a-b.micro-soft.62f44730"),
        ("x" * 40, "y" * 40, f"{'x' * 24}.{'y' * 24}.62f44730"),
        (f"{'x' * 23} z", "okta", f"{'x' * 23}.okta.62f44730"),
        ("a\n\x1b[2J", "../..", "a-2J.62f44730"),
    ],
)
def test_a_key_is_tenant_integration_and_the_first_digits(
    tenant: str | None, integration: str, expected: str
) -> None:
    account_id = "62f44730-dd91-461e-bd6a-aedd9e0ad79d"
    key = make_partition_key(account_id, integration=integration, tenant_id=tenant, taken=())
    assert key == expected


def test_where_a_key_would_be_shared_the_later_account_takes_more_digits() -> None:
    taken: set[str] = set()
    for account_id in ("62f44730-dd91", "62f44730-dd92", "62f44730dd91", "62f44730-dd-91"):
        key = make_partition_key(account_id, integration="okta", tenant_id="acme", taken=taken)
        assert key not in taken
        taken.add(key)
    assert {"acme.okta.62f44730", "acme.okta.62f44730d"} <= taken
    assert len(taken) == 4


@given(st.lists(st.text(min_size=1), unique=True, max_size=30), st.text(), st.text())
def test_any_ids_have_keys_of_their_own_that_dagster_and_a_shell_take(
    ids: list[str], tenant: str, integration: str
) -> None:
    taken: set[str] = set()
    for account_id in ids:
        key = make_partition_key(account_id, integration=integration, tenant_id=tenant, taken=taken)
        assert re.fullmatch(r"([A-Za-z0-9_-]{1,24}\.){0,2}[A-Za-z0-9_]{8,}", key)
        assert key not in taken
        taken.add(key)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (A, A),
        ("acme.okta.aaaaaaaa", A),
        ("ACME.OKTA.A", A),
        ("AAAAAAAA", A),
        ("globex", C),
        ("c", C),
        ("acme", None),
        ("acme.okta.", None),
        ("nobody", None),
        ("", None),
        ("okta", None),
    ],
)
def test_an_account_is_found_by_id_key_or_a_beginning_of_its_own(
    name: str, expected: str | None
) -> None:
    assert find_account(name, KEYS) == expected


def test_a_whole_name_wins_over_those_that_begin_with_it() -> None:
    keys = {A: "acme.okta.aaaaaaaa", B: "acme.okta.aaaaaaaab", "acme": "x.y.z"}
    assert find_account("acme.okta.aaaaaaaa", keys) == A
    assert find_account("acme", keys) == "acme"


def test_an_account_is_said_with_what_its_tenant_calls_it() -> None:
    assert say_account("acme.okta.aaaaaaaa") == "acme.okta.aaaaaaaa"
    assert say_account("acme.okta.aaaaaaaa", "Okta EU") == "acme.okta.aaaaaaaa (Okta EU)"
