"""What holds for one account once defaults, integration and account are laid over each other."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from truto_groups.errors import SettingsError
from truto_groups.settings import (
    AccountSettings,
    Settings,
    VolumeLimits,
    find_unused_settings,
    read_settings,
    resolve_knobs,
)
from truto_groups_tests.stand import A

LAYERED = """
truto: {max_pages: 7}
defaults:
  refresh_every: 1h
  max_age: 3d
  requests_per_10_seconds_per_account: 40
  volume: {max_fall: 0.5, hold_back: false}
  query: {name: a, user_id: u}
integrations:
  asana:
    refresh_every: 2h
    remote_data: nothing
    volume: {max_rise: 3}
    query: {name: b, organization_id: ["1", "2"]}
accounts:
  aaaaaaaa-0000-4000-8000-000000000001:
    refresh_every: 3h
    requests_at_once_per_account: 0
    volume: {max_fall: auto}
    query: {organization_id: "9"}
"""


def read(folder: Path, text: str) -> Settings:
    path = folder / "truto_groups.yaml"
    path.write_text(text, encoding="utf-8")
    return read_settings(path)


def test_without_a_file_the_documented_defaults_hold() -> None:
    settings = Settings().for_account("x", "okta")

    assert settings == AccountSettings()
    assert settings.refresh_every == timedelta(hours=6)
    assert settings.max_age == timedelta(hours=24)
    assert (settings.skip, settings.private_values, settings.record_initial_sync) == (
        False,
        False,
        False,
    )
    assert (settings.remote_data, settings.complete, settings.query) == ("all", "auto", {})
    assert settings.requests_at_once_per_account == 4
    assert settings.requests_per_10_seconds_per_account == 50
    assert settings.max_pages == 10_000
    assert settings.page_size == 100
    assert settings.volume == VolumeLimits(max_fall=None, max_rise=None, hold_back=True)


def test_the_narrower_wins_key_by_key_down_into_query_and_volume(tmp_path: Path) -> None:
    settings = read(tmp_path, LAYERED)

    one = settings.for_account(A, "asana")
    assert one.refresh_every == timedelta(hours=3)
    assert one.max_age == timedelta(days=3)
    assert one.remote_data == "nothing"
    assert one.query == {"name": "b", "user_id": "u", "organization_id": "9"}
    assert one.volume == VolumeLimits(max_fall=None, max_rise=3.0, hold_back=False)

    other = settings.for_account("other", "asana")
    assert other.refresh_every == timedelta(hours=2)
    assert other.query["organization_id"] == ["1", "2"]
    assert other.volume == VolumeLimits(max_fall=0.5, max_rise=3.0, hold_back=False)

    assert settings.for_account("other", "okta").query == {"name": "a", "user_id": "u"}
    assert settings.for_account(A, None).remote_data == "all"


def test_the_file_may_name_an_account_by_its_partition_key(tmp_path: Path) -> None:
    text = (
        f"accounts:\n  acme.okta.aaaaaaaa: {{skip: true, max_pages: 5}}\n  {A}: {{max_pages: 6}}\n"
    )
    settings = read(tmp_path, text)

    one = settings.for_account(A, "okta", partition_key="acme.okta.aaaaaaaa")
    assert (one.skip, one.max_pages) == (True, 6)
    assert settings.for_account("other", "okta").skip is False
    assert (
        find_unused_settings(settings, account_names={A, "acme.okta.aaaaaaaa"}, integrations=())
        == []
    )


def test_an_integration_is_found_in_whatever_case(tmp_path: Path) -> None:
    settings = read(tmp_path, "integrations: {Asana: {skip: true}}")

    assert settings.for_account("x", "asana").skip is True
    assert settings.for_account("x", "ASANA").skip is True
    assert settings.for_account("x", "asana2").skip is False


def test_an_account_is_found_by_its_id_in_whatever_case(tmp_path: Path) -> None:
    """As by every command; else one that was excluded would be synced."""
    settings = read(tmp_path, f"accounts: {{{A.upper()}: {{skip: true}}}}")
    assert settings.for_account(A, "okta", partition_key="acme.okta.aaaaaaaa").skip
    assert find_unused_settings(settings, account_names=[A], integrations=[]) == []


def test_a_ceiling_comes_from_the_narrowest_place_that_gives_one(tmp_path: Path) -> None:
    settings = read(tmp_path, LAYERED)
    knobs = resolve_knobs(
        {
            "requests_at_once_per_account": 11,
            "requests_per_10_seconds_per_account": 12,
            "max_pages": 13,
        },
        section=settings.truto,
    )

    one = settings.for_account(A, "asana", knobs=knobs)
    assert one.requests_at_once_per_account == 0
    assert one.requests_per_10_seconds_per_account == 40
    assert one.max_pages == 13
    assert settings.for_account("other", "asana", knobs=knobs).requests_at_once_per_account == 11
    assert settings.for_account(A, "asana").max_pages == 7
    assert settings.for_account("other", "okta").requests_at_once_per_account == 4


def test_the_digest_of_an_account_does_not_depend_on_who_asks(tmp_path: Path) -> None:
    settings = read(tmp_path, LAYERED)
    knobs = resolve_knobs({"max_pages": 13}, section=settings.truto)

    asked_by_the_run = settings.for_account(A, "asana", knobs=knobs)
    asked_by_a_reader = settings.for_account(A, "asana")
    assert asked_by_the_run.digest == asked_by_a_reader.digest
    assert asked_by_the_run.digest != settings.for_account("other", "asana").digest
    assert len(asked_by_the_run.digest) == 64


def test_what_one_account_is_given_cannot_be_changed_through_another(tmp_path: Path) -> None:
    settings = read(tmp_path, LAYERED)
    first = settings.for_account("other", "asana").query["organization_id"]
    assert isinstance(first, list)
    first.append("3")

    assert settings.for_account("other", "asana").query["organization_id"] == ["1", "2"]


def test_what_holds_is_laid_over_once_for_all_accounts_of_the_same_sections(
    tmp_path: Path,
) -> None:
    """A planning tick over 25,000 accounts spent half of its time on that."""
    settings = read(tmp_path, LAYERED)
    many = [f"{number:08}" for number in range(1_000)]
    alone = spend(lambda: [Settings(settings.sections).for_account(one, "asana") for one in many])
    together = spend(lambda: [settings.for_account(one, "asana") for one in many])
    assert together < alone / 2


def spend(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("defaults: {max_age: 6h}", 1, "max_age 6h (line 1) is not above refresh_every 6h (the"),
        ("defaults:\n  refresh_every: 24h", 2, "max_age 24h (the default) is not above refresh"),
        ("defaults:\n  max_age: 1h\n  refresh_every: 2h", 2, "Set a max_age above 2h, or a refr"),
        ("integrations:\n  a:\n    refresh_every: 30h", 3, "integrations.a.refresh_every: max_a"),
        ("defaults: {max_age: 9h}\nintegrations:\n  a: {refresh_every: 10h}", 3, "9h (line 1) is"),
        (f"accounts:\n  {A}:\n    max_age: 5h", 3, f"accounts.{A}.max_age: max_age 5h (line 3)"),
    ],
)
def test_a_max_age_not_above_refresh_every_is_refused_when_the_file_is_read(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)

    assert str(caught.value).startswith(f"{tmp_path / 'truto_groups.yaml'}:{line}: ")
    assert told in str(caught.value)


def test_a_combination_that_hangs_on_the_integration_is_judged_for_the_account(
    tmp_path: Path,
) -> None:
    """Only Truto knows an account's integration, so neither may the file be refused for it."""
    settings = read(
        tmp_path,
        f"integrations:\n  slow: {{max_age: 4d}}\naccounts:\n  {A}:\n    refresh_every: 2d\n",
    )

    assert settings.for_account(A, "slow").refresh_every == timedelta(days=2)
    assert settings.find_mistake(A, "slow") is None
    place = f"{tmp_path / 'truto_groups.yaml'}:5: accounts.{A}.refresh_every: "
    assert place in str(settings.find_mistake(A, "okta"))
    assert settings.for_account(A, "okta").refresh_every == timedelta(days=2)
    assert settings.find_mistake("b", "okta") is None


def test_an_account_that_no_integration_makes_possible_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"accounts\.{A}\.refresh_every"):
        read(
            tmp_path,
            f"integrations:\n  slow: {{max_age: 4d}}\naccounts:\n  {A}: {{refresh_every: 5d}}\n",
        )


def test_a_vendor_that_refuses_large_pages_is_asked_for_small_ones(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "truto: {page_size: 200}\n"
        "integrations: {asana: {page_size: 25}}\n"
        f"accounts: {{{A}: {{page_size: 10}}}}\n",
    )
    knobs = resolve_knobs({"page_size": 50}, section=settings.truto)

    def ask(account_id: str, integration: str) -> int | None:
        return settings.for_account(account_id, integration, knobs=knobs).page_size

    assert ask(A, "asana") == 10
    assert ask("other", "asana") == 25
    assert ask("other", "okta") == 50
    assert settings.for_account("other", "okta").page_size == 200
