"""What a lost permission explains of a number of groups. Pure."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from truto_groups.drift.permission import LostPermission, explain_fall
from truto_groups.drift.shape import LandedCounts
from truto_groups.drift.volume import VolumeVerdict, plausible_count
from truto_groups.sync.judge import find_lost_permission
from truto_groups_tests.stand import START, known_account

LOST = LostPermission("groups list", "Groups.Read", START)


def counts(**types: int) -> LandedCounts:
    named = {name: count for name, count in types.items() if name != "untyped"}
    return LandedCounts(record_count=sum(types.values()), group_types=named)


def judge(
    before: LandedCounts | None,
    now: LandedCounts,
    *,
    retyped: Sequence[str | None] = (),
    hold_back: bool = True,
) -> VolumeVerdict:
    history = [] if before is None else [before.record_count]
    volume = plausible_count(now.record_count, history=history)
    return explain_fall(volume, LOST, before=before, now=now, retyped=retyped, hold_back=hold_back)


@pytest.mark.parametrize(
    ("before", "now", "retyped"),
    [
        (counts(team=20, department=4), counts(team=18, squad=4), ["department"]),
        (counts(team=20, department=4), counts(team=24), ["Department", "team"]),
        (counts(team=20, untyped=4), counts(team=24), [None]),
        (counts(team=20, department=4), counts(team=20, department=3), []),
        (counts(Team=10, team=10), counts(team=19), []),
        (counts(team=20, department=0), counts(team=19), []),
        (counts(team=20, untyped=4), counts(team=17, untyped=1), []),
        (counts(team=2), counts(team=400), []),
        (None, counts(team=1), []),
    ],
    ids=[
        "to new",
        "to known",
        "to any",
        "one less",
        "case",
        "none before",
        "some",
        "rise",
        "first",
    ],
)
def test_what_a_refusal_does_not_explain_stays_as_it_was_judged(
    before: LandedCounts | None, now: LandedCounts, retyped: Sequence[str | None]
) -> None:
    history = [] if before is None else [before.record_count]
    volume = plausible_count(now.record_count, history=history)
    assert judge(before, now, retyped=retyped) == volume


@pytest.mark.parametrize(
    ("before", "now", "gone"),
    [
        (counts(team=20, department=4), counts(team=20), "All groups of type department are gone."),
        (counts(team=20, department=4), counts(team=24), "All groups of type department are gone."),
        (counts(team=9, group=4), counts(team=9, squad=40), "All groups of type group are gone."),
        (counts(team=20, untyped=1), counts(team=20), "All groups of no type are gone."),
        (counts(team=2), counts(), "All groups of type team are gone."),
        (counts(team=400), counts(team=100), ""),
    ],
    ids=["a type", "as many", "more", "without a type", "all", "most"],
)
def test_what_it_explains_is_held_back_with_its_reason(
    before: LandedCounts, now: LandedCounts, gone: str
) -> None:
    held = judge(before, now)
    assert (held.outcome, held.is_permission_lost) == ("hold_back", True)
    assert gone in held.reason
    assert held.reason.endswith(
        "Permission lost: scope Groups.Read is missing, since 2026-03-01 12:00 UTC."
    )
    assert judge(before, now, hold_back=False) == replace(held, outcome="warn")


@pytest.mark.parametrize(
    ("error", "scopes"),
    [
        ("Okta forbids it; missing scopes: a.read, b.write. Have it granted.", "a.read, b.write"),
        (
            "It is forbidden; missing scopes: https://x.y/auth.readonly; more.",
            "https://x.y/auth.readonly",
        ),
        ("It is forbidden; missing scopes: none named. Have it granted.", None),
        ("1 group instead of 9. Permission lost: scope a.b is missing, since then.", "a.b"),
        ("It is forbidden.", None),
        (None, None),
    ],
    ids=["several", "an address", "none named", "as we said it", "nothing", "no text"],
)
def test_the_scopes_are_read_from_what_the_last_attempt_told(
    error: str | None, scopes: str | None
) -> None:
    account = known_account(
        "a", last_confirmed_at=START, attempted_at=START, error_kind="forbidden", error=error
    )
    found = find_lost_permission(account, None)
    assert found == LostPermission("groups list", scopes, START)
    assert find_lost_permission(replace(account, error_kind="timeout"), None) is None
    assert find_lost_permission(replace(account, last_confirmed_at=None), LOST) is None
