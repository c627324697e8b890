"""Durations, URLs, and the knobs of the resource. Pure; no fakes."""

from dataclasses import fields
from datetime import timedelta

import pytest

from truto_groups.errors import SettingsError
from truto_groups.settings import (
    EffectiveKnobs,
    TrutoKnobs,
    describe_knob,
    format_duration,
    parse_duration,
    resolve_knobs,
)
from truto_groups.settings.addresses import check_webhook_url, is_loopback, normalize_base_url


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("6h", 21_600), ("7d", 604_800), ("3650d", 315_360_000)],
)
def test_a_duration_is_a_whole_number_and_its_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert format_duration(timedelta(seconds=seconds)) == text


def test_a_single_day_is_written_as_hours() -> None:
    assert format_duration(timedelta(days=1)) == "24h"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6",
        "h",
        "6 h",
        "6H",
        "-6h",
        "+6h",
        "1.5h",
        "6h30m",
        "0d",
        "3651d",
        "9" * 40 + "d",
        "٣h",
        "6h\n",
    ],
)
def test_what_is_no_duration_or_too_long_for_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is "):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://api.truto.one", "https://api.truto.one"),
        ("https://API.Truto.one:443//", "https://api.truto.one"),
        ("https://proxy.example:8443/truto/", "https://proxy.example:8443/truto"),
        ("http://localhost:8790/", "http://localhost:8790"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.9.9.9:1", "http://127.9.9.9:1"),
        ("http://[::1]:8790", "http://[::1]:8790"),
    ],
)
def test_a_base_url_has_one_form(text: str, normal: str) -> None:
    assert normalize_base_url(text) == normal


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://api.truto.one", "is plain http://"),
        ("http://127.0.0.1.evil.example", "is plain http://"),
        ("http://localhost.evil.example", "is plain http://"),
        ("http://[::ffff:127.0.0.1]", "is plain http://"),
        ("http://0.0.0.0", "is plain http://"),
        ("https://me:secret@api.truto.one", "holds a user name"),
        ("http://localhost@evil.example", "holds a user name"),
        ("https://api.truto.one?key=secret", "holds a query"),
        ("https://api.truto.one?", "holds a query"),
        ("https://api.truto.one#secret", "holds a query or a fragment"),
        ("https://api.truto.one:99999", "is no URL"),
        ("https://api.truto.one:0", "is no URL of a web server"),
        ("https://[::1", "is no URL"),
        ("https://", "is no URL of a web server"),
        ("ftp://api.truto.one", "is no URL of a web server"),
        ("api.truto.one", "is no URL of a web server"),
        ("https://api.truto.one\\@evil.example", "holds a blank, a backslash"),
        ("https://api.truto.one /x", "holds a blank"),
        ("https://ápi.truto.one", "a character that no URL has"),
        ("", "is no URL of a web server"),
    ],
)
def test_a_base_url_that_the_token_must_not_go_to_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|holds) ") as caught:
        normalize_base_url(text)

    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_only_this_machine_is_loopback() -> None:
    hosts = ["localhost", "LOCALHOST", "127.0.0.1", "127.255.0.1", "::1", "10.0.0.1", "::2", "x"]

    assert [is_loopback(host) for host in hosts] == [True] * 5 + [False] * 3


def test_a_webhook_url_keeps_its_query_but_not_plain_http() -> None:
    assert check_webhook_url("https://hooks.example/a?b=c") == "https://hooks.example/a?b=c"
    assert check_webhook_url("http://[::1]:9/x") == "http://[::1]:9/x"
    with pytest.raises(ValueError, match="is plain http://"):
        check_webhook_url("http://hooks.example/a")


def test_every_knob_is_described_with_its_default() -> None:
    names = [field.name for field in fields(EffectiveKnobs)]

    assert names == list(TrutoKnobs.model_fields)
    for field in fields(EffectiveKnobs):
        default = field.default
        shown = f"{default:,}" if isinstance(default, int | float) else str(default)
        assert shown in describe_knob(field.name)


def test_nothing_set_gives_the_documented_defaults() -> None:
    assert resolve_knobs({}) == EffectiveKnobs(
        base_url="https://api.truto.one",
        token_variable="TRUTO_API_TOKEN",
        page_size=100,
        accounts_at_once=16,
        requests_at_once_per_account=4,
        requests_per_10_seconds=500,
        requests_per_10_seconds_per_account=50,
        connect_timeout_seconds=10,
        read_timeout_seconds=60,
        retry_attempts=6,
        retry_seconds=300,
        max_pages=10_000,
    )


def test_a_field_wins_over_the_file_and_the_file_over_the_default() -> None:
    knobs = resolve_knobs(
        {"page_size": 5, "max_pages": None, "requests_per_10_seconds": 0},
        section=TrutoKnobs(page_size=6, max_pages=7),
    )

    assert (knobs.page_size, knobs.max_pages, knobs.requests_per_10_seconds) == (5, 7, 0)
    assert knobs.retry_attempts == 6


def test_the_base_url_comes_from_field_then_variable_then_file() -> None:
    section = TrutoKnobs(base_url="https://file.example")
    variable = "https://variable.example"
    field = {"base_url": "https://FIELD.example/"}

    assert resolve_knobs({}, section=section).base_url == "https://file.example"
    assert resolve_knobs({}, section=section, base_url=variable).base_url == variable
    assert (
        resolve_knobs(field, section=section, base_url=variable).base_url == "https://field.example"
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"page_size": 0}, "page_size: 0 is not a whole number from 1 to 10,000"),
        ({"page_size": True}, "page_size: true is not a whole number"),
        ({"retry_attempts": 0}, "retry_attempts: 0 is not a whole number from 1 to 100"),
        ({"connect_timeout_seconds": float("nan")}, "connect_timeout_seconds: NaN is not a number"),
        ({"pagesize": 5}, "pagesize: is not known. Did you mean page_size?"),
        ({"base_url": "http://api.truto.one"}, "base_url: is plain http://"),
    ],
)
def test_a_field_out_of_bounds_is_refused_by_name(given: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve_knobs(given)

    assert str(caught.value).startswith("The Truto resource: ")
    assert told in str(caught.value)


def test_a_token_typed_in_place_of_its_variable_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match=r"token_variable: is no name") as caught:
        resolve_knobs({"token_variable": "5f1c0d3e-hunter2"})

    assert "hunter2" not in str(caught.value)
