"""A listing of accounts with odd rows: each costs itself and nobody else.

The wire is httpx.MockTransport, the rest of the client is real.
"""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from truto_groups.accounts.model import ListedAccount, Listing
from truto_groups.errors import EnvelopeError
from truto_groups.truto.account_answers import find_groups_support
from truto_groups.truto.json_repair import mend
from truto_groups_tests.truto.test_client import ACCOUNT, ask, build_account

GOOD = build_account(id="good", created_at=None, updated_at=None)
DEEP = b"[" * 3000 + b"]" * 3000


def list_rows(*rows: bytes | dict[str, Any]) -> Listing:
    """List rows, of which some are JSON text as no library would write it."""
    written = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    body = b'{"result":[' + b",".join(written) + b"]}"
    return ask(
        lambda request: httpx.Response(200, content=body),
        lambda client: client.list_integrated_accounts(),
    )


def list_odd(row: bytes | dict[str, Any]) -> ListedAccount:
    """List a row between two good ones, which it costs nothing."""
    listing = list_rows({**GOOD, "id": "before"}, row, GOOD)
    before, odd, after = listing.accounts
    assert (before.id, after.id) == ("before", "good")
    assert {before.status, after.status} == {"active"}
    assert {before.integration, after.integration} == {"okta"}
    assert listing.unreadable == ()
    return odd


def spoil(name: str, value: bytes) -> bytes:
    """A row with one member whose JSON text is given."""
    row = json.dumps(build_account(**{name: "HERE"})).encode()
    assert row.count(b'"HERE"') == 1
    return row.replace(b'"HERE"', value)


@pytest.mark.parametrize(
    ("status", "read"),
    [
        (None, "unknown"),
        (7, "unknown"),
        ("", "unknown"),
        ("  ", "unknown"),
        ({"name": "active"}, "unknown"),
        (["active"], "unknown"),
        (True, "unknown"),
        ("x" * 5000, "unknown"),
        ("needs_reauth", "needs_reauth"),
        ("a_new_one", "a_new_one"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_status_that_does_not_tell_is_unknown(status: Any, read: str) -> None:
    assert list_odd(build_account(status=status)).status == read


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"integration": "okta"}, "okta"),
        ({"integration": None}, "unknown"),
        ({"integration": 7}, "unknown"),
        ({"integration": []}, "unknown"),
        ({"integration": {"name": 7}}, "unknown"),
        ({"integration": {"name": None}}, "unknown"),
        ({"integration": {"name": "x" * 5000}}, "unknown"),
        ({"integration": {"name": "a\nb"}}, "unknown"),
        (
            {"integration": 7, "environment_integration": {"integration": {"name": "jira"}}},
            "jira",
        ),
        ({"integration": None, "environment_integration": {"integration": "jira"}}, "jira"),
        ({"integration": None, "environment_integration": "jira"}, "unknown"),
    ],
)
def test_the_integration_is_read_wherever_it_stands(fields: Any, read: str) -> None:
    assert list_odd(build_account(**fields)).integration == read


def test_a_row_without_a_status_and_an_integration_is_listed() -> None:
    account = list_odd({"id": ACCOUNT})
    assert (account.status, account.integration) == ("unknown", "unknown")


@pytest.mark.parametrize(
    "instant",
    [
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
        "0000-00-00",
        "",
        7,
        1e300,
        None,
        ["2024-01-01"],
        "2024-01-01T00:00:00+99:99",
        "²024-01-01",
    ],
)
def test_an_instant_that_is_none_costs_nothing(instant: Any) -> None:
    account = list_odd(build_account(created_at=instant))
    assert account.created_at is None
    assert account.updated_at == datetime(2024, 9, 1, 10, tzinfo=UTC)


SPOILED = [
    rb'"half \ud83d"',
    rb'"half \ude00 of it"',
    rb'"\ud83d\ud83d"',
    b'"no \xff UTF-8"',
    b'"a surrogate \xed\xa0\xbd in UTF-8"',
    b'"a line\nbreak, a \x01 and a \x00"',
    DEEP,
    b'{"a":' * 3000 + b"1" + b"}" * 3000,
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 6000,
    b"null",
    b"[]",
    b'"a quote \\" and a bracket ] } [ {"',
]


@pytest.mark.parametrize("value", SPOILED, ids=lambda value: repr(value[:16]))
@pytest.mark.parametrize(
    "name",
    [
        "context",
        "tenant_id",
        "last_error",
        "unified_model_override",
        "is_sandbox",
        "environment_integration",
        "created_at",
        "label",
    ],
)
def test_whatever_a_field_holds_the_rest_of_the_row_is_read(name: str, value: bytes) -> None:
    account = list_odd(spoil(name, value))
    assert (account.id, account.status, account.integration) == (ACCOUNT, "active", "okta")
    for text in (account.tenant_id, account.last_error):
        assert text is None or len(text.encode()) < 5000


def test_an_emoji_cut_in_half_is_shown_as_such_and_a_whole_one_as_it_is() -> None:
    account = list_odd(spoil("tenant_id", rb'"acme \ud83d \ud83d\ude00 \\ud83d"'))
    assert account.tenant_id == "acme \ufffd 😀 \\ud83d"


@pytest.mark.parametrize(
    "row",
    [
        b"null",
        b"7",
        b'"text"',
        b"[]",
        b"{}",
        DEEP,
        b'{"id":null}',
        b'{"id":""}',
        b'{"id":{"a":1}}',
        b'{"id":true}',
        b'{"id":1.5}',
        rb'{"id":"half \ud83d"}',
        b'{"id":"a b"}',
        b'{"id":"a...b"}',
        b'{"id":"' + b"x" * 9000 + b'"}',
    ],
    ids=lambda row: repr(row[:16]),
)
def test_a_row_without_an_id_is_told_and_the_others_are_listed(row: bytes) -> None:
    listing = list_rows(GOOD, row, {**GOOD, "id": "after"})
    assert [account.id for account in listing.accounts] == ["good", "after"]
    (told,) = listing.unreadable
    assert told.startswith("row 2 on page 1")


def test_a_row_without_an_id_is_told_with_what_it_says_besides() -> None:
    listing = list_rows(build_account(id=None, tenant_id="acme a-token"))
    assert listing.unreadable == ("row 1 on page 1 (integration okta of tenant acme [token])",)


def test_an_id_that_is_a_number_keeps_its_digits() -> None:
    assert list_odd(b'{"id":12345678901234567890}').id == "12345678901234567890"


def test_of_an_id_that_comes_twice_the_later_row_is_taken() -> None:
    rows = [build_account(status=None), GOOD, build_account(status="needs_reauth")]
    listing = list_rows(*rows, build_account(status="needs_reauth"))
    assert [(account.id, account.status) for account in listing.accounts] == [
        (ACCOUNT, "needs_reauth"),
        ("good", "active"),
    ]


def test_a_listing_that_is_no_json_is_no_listing() -> None:
    for body in (b"<html>", b'{"result":[{"id":"1"}', b'{"result":[}]}', b"\x00\xff"):
        with pytest.raises(EnvelopeError):
            ask(
                lambda request, body=body: httpx.Response(200, content=body),
                lambda client: client.list_integrated_accounts(),
            )


def test_mending_changes_nothing_that_was_whole() -> None:
    whole = json.dumps(build_account(tenant_id='\\ " ] } é 😀', context={"a": [1, {"b": []}]}))
    for text in (whole, json.dumps(whole), "[" * 100 + "]" * 100, '"NaN [[["'):
        assert mend(text.encode()) == text.encode()


def test_mending_cuts_off_what_is_too_deep_and_nothing_beside_it() -> None:
    deep = b"[" * 150 + b'"x]"' + b"]" * 150
    text = b'{"a":' + deep + b',"b":' + deep + b',"c":1}'
    mended = json.loads(mend(text))
    assert (mended["c"], list(mended)) == (1, ["a", "b", "c"])
    assert mended["a"] == mended["b"] == json.loads("[" * 99 + "null" + "]" * 99)


def test_capabilities_nested_without_end_tell_nothing() -> None:
    nested: Any = {}
    for _ in range(5000):
        nested = {"resources": [nested]}
    assert find_groups_support({"unified": nested}) is None
