"""Credentials are taken out of whatever repeats a request, however it is written. Pure."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from truto_groups.text.credentials import HIDDEN, hide_credentials

SECRET = "s3cr3t-Value/+=9"


@pytest.mark.parametrize(
    "value",
    [
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"headers": {"authorization": SECRET, "Set-Cookie": [SECRET, SECRET]}},
        {"headers": {"X-Api-Key": SECRET, "PRIVATE-TOKEN": SECRET, "X-Auth-Email": SECRET}},
        {"headers": [["Authorization", SECRET], ["Cookie", SECRET]]},
        {"headers": ["Accept", "*/*", "Authorization", SECRET]},
        {
            "headers": [
                {"name": "X-Auth-Token", "value": SECRET},
                {"key": "cookie", "value": SECRET},
            ]
        },
        {"headers": f"Accept: */*\r\nAuthorization: Basic {SECRET}\r\nCookie: a={SECRET}; b=c"},
        {"a": [{"b": {"client_secret": SECRET, "accessKey": SECRET, "secretAccessKey": SECRET}}]},
        {"auth": {"username": "bot", "password": {"deep": SECRET}}},
        {"body": json.dumps({"grant": {"refresh_token": SECRET}})},
        {"body": f"grant_type=refresh&client_secret={SECRET}&refresh_token={SECRET}"},
        {"requestUrl": f"https://user:{SECRET}@api.example/groups"},
        {"requestUrl": f"https://api.example/g?api_key={SECRET}&page=2&access_token={SECRET}"},
        {"note": f"we sent Bearer {SECRET} and it failed"},
        {"jwt": "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl"},
        {"text": "see eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"},
        {"pem": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"},
        {"credentials": [SECRET], "session": SECRET, "pwd": SECRET, "passphrase": SECRET},
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_credential_is_hidden(value: Any) -> None:
    told = json.dumps(hide_credentials(value))
    assert SECRET not in told
    assert "eyJ" not in told
    assert "MIIE" not in told
    assert HIDDEN in told


@pytest.mark.parametrize(
    "value",
    [
        {"id": "1", "name": "Key Accounts", "key": "ENG", "author": "Ann", "authors": ["Bob"]},
        {"keys": ["a", "b", "c"], "members": ["Ann", "Bob"], "count": 3, "ok": True, "none": None},
        {"url": "https://api.example/groups?limit=10&cursor=abc"},
        {"time": "2026-01-01T00:00:00Z", "ratio": 1.5, "description": "Passed: all"},
        [["a", "b"], [1, 2]],
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_none_stays(value: Any) -> None:
    assert hide_credentials(value) == value


@contextmanager
def ended_by_the_system() -> Iterator[None]:
    """What would be at work for hours is ended: a test that fails says more than one that hangs."""

    def end(*_: object) -> None:
        pytest.fail("It takes a time that grows faster than the text.")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, 20)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("part", ["iVBORw0K", "password", "eyJ-", "://a:8080/"])
def test_a_long_text_is_read_in_time_that_grows_as_the_text_does(part: str) -> None:
    """As a picture is, or a number of many digits: of 300 KB, hours were wanted."""
    text = part * (300_000 // len(part))
    with ended_by_the_system():
        assert hide_credentials(text) == text


@pytest.mark.parametrize("depth", [400, 900, 100_000])
@pytest.mark.parametrize("end", [f'{{"password": "{SECRET}"}}', ""], ids=["a secret", "nothing"])
def test_what_lies_too_deep_to_be_looked_through_goes_whole(depth: int, end: str) -> None:
    text = "[" * depth + end + "]" * depth
    value = json.loads(text) if depth < 900 else None
    assert SECRET not in json.dumps(hide_credentials({"text": text, "value": value}))
    assert hide_credentials(["kept", text])[0] == "kept"
