"""Which names say privileged, however they are spelled, and which only seem to."""

import time
from pathlib import Path

import pytest

from truto_groups.privileged import (
    DEFAULT_IGNORED,
    DEFAULT_WORDS,
    PrivilegedRules,
    make_rules,
    tell_change,
)
from truto_groups.settings import PrivilegedSettings


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Admins", "admin"),
        ("  ADMINISTRATORS ", "administrator"),
        ("Domain\u00a0 Admins", "domain admin"),
        ("DomainAdmins", "domain admin"),
        ("domain_admins", "domain admin"),
        ("prod.owner", "owner"),
        ("\u0430dm\u0456ns", "admin"),
        ("\u0391dmins", "admin"),
        ("R\u03bf\u03bft", "root"),
        ("\uff32\uff4f\uff4f\uff54", "root"),
        ("\U0001d400\U0001d41d\U0001d426\U0001d422\U0001d427", "admin"),
        ("ad\u200bm\u00adin", "admin"),
        ("a\u0301dm\u0131n", "admin"),
        ("ro\u0336ot", "root"),
        ("a\u20ddd\u20ddmin", "admin"),
        ("ad\u3164min", "admin"),
        ("r\u0585\u0585t", "root"),
        ("\u13aa\u13a0\u13b7\u13a5N", "admin"),
        ("Ops\u00d8wners", "owner"),
        ("adm1n", "admin"),
        ("R00T", "root"),
        ("g1obal-admin", "global admin"),
        ("OpsAdm1ns", "admin"),
        ("0wn3rs", "owner"),
        ("root2", "root"),
        ("O365Admins", "admin"),
        ("A D M I N", "admin"),
        ("P R O D A D M I N", "admin"),
        ("Ad min", "admin"),
        ("co own ers", "owner"),
        ("ro\tot", "root"),
        ("su - do", "sudo"),
        ("D.B.A", "dba"),
        ("BreakGlass", "break glass"),
        ("break  glass accounts", "break glass"),
        ("super-users", "super user"),
        ("Superuser", "super user"),
        ("Product Owner Admins", "admin"),
    ],
)
def test_a_privileged_name_is_found_however_it_is_spelled(name: str, rule: str) -> None:
    assert rule in PrivilegedRules().find_matches(name)


@pytest.mark.parametrize(
    "name",
    [
        "Administration", "Badminton", "Homeowners", "Rooted", "Beetroot", "Product Owners",
        "Root Cause Analysis", "Level 10", "Team 1", "Sales", "", " ", "\u200b", "13", "Sudoku",
        "Road Mining", "Customers DB A", "D BA",
        "\u041f\u0440\u043e\u0434\u0430\u0436\u0438",
    ],
)  # fmt: skip
def test_a_name_that_only_resembles_one_is_left_alone(name: str) -> None:
    assert PrivilegedRules().find_matches(name) == ()
    assert PrivilegedRules().find_matches(None, name) == ()


def test_settings_add_to_the_default_words_or_replace_them() -> None:
    added = make_rules(PrivilegedSettings(words=("Payroll",), ignore=("local admin",)))
    assert added.find_matches("the payroll") == ("Payroll",)
    assert added.find_matches("Owners") == ("owner",)
    assert added.find_matches("Product Owners") == ()
    assert added.find_matches("Local Admins") == ()
    alone = make_rules(PrivilegedSettings(words=("Payroll",), use_default_words=False))
    assert alone.find_matches("Owners") == ()
    assert make_rules(PrivilegedSettings(use_default_words=False)).find_matches("Owners") == ()
    assert make_rules(PrivilegedSettings(words=("\u0430\u0434\u043c\u0438\u043d",))).find_matches(
        "\u0410\u0434\u043c\u0438\u043d"
    )


def test_a_pattern_sees_the_name_as_it_is_and_as_it_reads() -> None:
    rules = make_rules(PrivilegedSettings(patterns=("^prod-.*-write$",)))
    assert rules.find_matches("PROD-db-Write") == ("^prod-.*-write$",)
    assert rules.find_matches("  pr\u043ed-db-write ") == ("^prod-.*-write$",)
    assert rules.find_matches("preprod-db-write") == ()
    assert make_rules(PrivilegedSettings(patterns=("é$",))).find_matches("Vérité") == ("é$",)


def test_no_pattern_and_no_name_take_long() -> None:
    rules = make_rules(PrivilegedSettings(patterns=("(a+)+$",)))
    began = time.monotonic()
    assert rules.find_matches("a" * 200_000 + "!") == ()
    assert rules.find_matches("1b " * 50_000) == ()
    assert rules.find_matches("a " * 50_000) == ("(a+)+$",)
    assert time.monotonic() - began < 5


def test_only_a_rule_that_is_new_makes_a_change() -> None:
    def told(before: tuple[str, ...], after: tuple[str, ...], *, is_added: bool = False) -> object:
        return tell_change(is_added=is_added, before=before, after=after)

    assert told((), ()) is None
    assert told((), ("admin",), is_added=True) == ("created", ("admin",))
    assert told(("admin",), ("admin",)) is None
    assert told(("admin",), ("admin", "root")) == ("renamed", ("root",))
    assert told(("admin",), ("admin", "type owner")) == ("retyped", ("type owner",))


def test_the_document_lists_the_default_words() -> None:
    text = (Path(__file__).parents[1] / "docs" / "access_review.md").read_text(encoding="utf-8")
    listed = text.partition("<!-- words -->")[2].partition("<!-- /words -->")[0]
    assert listed.strip() == ", ".join(DEFAULT_WORDS)
    assert all(f'"{phrase}"' in text for phrase in DEFAULT_IGNORED)
