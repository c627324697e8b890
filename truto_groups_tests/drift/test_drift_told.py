"""What is made of findings: united over accounts, and filters that were ignored."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import product

import pytest

from truto_groups.drift.common_drift import find_common_drift
from truto_groups.drift.findings import Finding, FindingKind, Severity
from truto_groups.drift.ignored_filters import ObservedValues, find_ignored_filters
from truto_groups.drift.probability import Count, chance_of, least_surprising, tail
from truto_groups.settings.query import QueryValue


def finding(
    path: str = "remote_data.x",
    *,
    kind: FindingKind = "field_gone",
    severity: Severity = "warning",
    size: int = 10,
    chance: float = 0.0,
) -> Finding:
    return Finding(
        kind=kind,
        severity=severity,
        path=path,
        record_count=size,
        of=size,
        was_count=size,
        was_of=size,
        chance=chance,
        steps=tuple(path.split(".")),
    )


def test_the_tail_is_a_probability_over_all_counts() -> None:
    for alpha, beta in product((0.5, 3.5, 100.5), repeat=2):
        tails = [tail(k, 20, alpha=alpha, beta=beta) for k in range(21)]
        # Beyond one half it may stop adding up, as nobody asks for more.
        told = [one for one in tails if one < 0.5]
        assert told == sorted(told)
        assert all(0 < one <= 1 for one in tails)
        assert tails[20] > 0.5


def test_the_tail_is_what_adding_up_gives() -> None:
    # Uniform prior: each of the 11 counts is as probable as any other.
    assert tail(2, 10, alpha=1, beta=1) == pytest.approx(3 / 11)


def test_chance_is_the_same_for_having_and_for_lacking() -> None:
    assert chance_of(Count(2, 50), reference=Count(40, 50)) == pytest.approx(
        chance_of(Count(48, 50), reference=Count(10, 50))
    )


def test_nothing_is_surprising_without_a_reference() -> None:
    assert least_surprising(Count(0, 10), references=[]) == 1.0
    assert least_surprising(Count(0, 10), references=[Count(0, 0)]) == 1.0


def test_the_same_drift_of_many_accounts_is_told_once() -> None:
    found = {str(i): [finding()] for i in range(4)} | {"4": [], "5": [finding("remote_data.y")]}

    (drift,) = find_common_drift(found, integrations=dict.fromkeys(found, "okta"))

    assert drift.integrated_account_ids == ("0", "1", "2", "3")
    assert (drift.account_count, drift.record_count, drift.severity) == (6, 40, "warning")
    assert "4 of 6 accounts of okta at once" in drift.message


def test_accounts_of_different_integrations_are_not_united() -> None:
    found = {str(i): [finding()] for i in range(4)}

    assert find_common_drift(found, integrations={str(i): f"app{i}" for i in range(4)}) == []


def test_small_accounts_show_together_what_none_shows_alone() -> None:
    small = finding(severity="information", size=3, chance=0.02)

    few = find_common_drift(
        {str(i): [small] for i in range(3)}, integrations=dict.fromkeys("012", "a")
    )
    many = {str(i): [small] for i in range(20)}
    (drift,) = find_common_drift(many, integrations=dict.fromkeys(many, "a"))

    assert [one.severity for one in few] in ([], ["warning"])
    assert drift.severity == "warning"


def observed(**values: dict[str, int]) -> ObservedValues:
    return ObservedValues(
        record_count=10,
        values=values,
        earliest={"updated_at": datetime(2024, 1, 1, tzinfo=UTC)},
        latest={"updated_at": datetime(2025, 1, 1, tzinfo=UTC)},
    )


def told(
    query: Mapping[str, QueryValue], *, declared: set[str] | None, came: ObservedValues
) -> list[tuple[str, str]]:
    found = find_ignored_filters(query, declared=declared, observed=came)
    return [(one.parameter, one.kind) for one in found]


def test_groups_that_a_filter_rules_out_are_told() -> None:
    came = observed(group_type={"Team": 4, "department": 6})

    (found,) = find_ignored_filters({"group_type": "team"}, declared=None, observed=came)

    assert (found.kind, found.record_count) == ("contradicted", 6)
    assert "6 of 10" in found.message
    assert told({"group_type": ["team", "department"]}, declared=None, came=came) == []


def test_a_parameter_that_meta_does_not_know_is_told() -> None:
    assert told(
        {"name": "x", "truto_ignore_limit": True}, declared={"sort_by"}, came=observed()
    ) == [("name", "not_declared")]
    assert told({"name": "x"}, declared=None, came=observed()) == []
    assert told({"name": "x"}, declared={"name"}, came=observed()) == []


def test_organizations_asked_for_by_another_name_contradict_nothing() -> None:
    came = observed(organization={"1200": 10})

    assert told({"organization_id": "acme-slug"}, declared=None, came=came) == []
    both = observed(organization={"1200": 5, "1201": 5})
    assert told({"organization_id": "1200"}, declared=None, came=both) == [
        ("organization_id", "contradicted")
    ]


@pytest.mark.parametrize(
    ("query", "came"),
    [
        ({"group_type": "product"}, {"group_type": {"group": 10}}),
        ({"group_type": ["product", "team"]}, {"group_type": {"team": 5, "group": 5}}),
        ({"name": "eng"}, {"name": {"Engineering": 1, "Sales Eng": 1}}),
        ({"description": ["red", "blue"]}, {"description": {"The blue ones": 10}}),
        ({"updated_at": {"lte": "2024-12-31"}}, {}),
        ({"updated_at": {"gte": "2024-01-02"}}, {}),
    ],
    ids=[
        *("a type that is never answered", "one of them"),
        *("a search", "a search for two", "until a date", "from a date"),
    ],
)
def test_what_a_filter_may_let_through_contradicts_nothing(
    query: dict[str, QueryValue], came: dict[str, dict[str, int]]
) -> None:
    assert told(query, declared=None, came=observed(**came)) == []


@pytest.mark.parametrize(
    ("query", "came"),
    [
        ({"group_type": "product"}, {"group_type": {"product": 5, "team": 5}}),
        ({"group_type": "department"}, {"group_type": {"department": 5, "GROUP": 5}}),
        ({"group_type": "department"}, {"group_type": {"department": 5, "OKTA_GROUP": 5}}),
        ({"name": "eng"}, {"name": {"Engineering": 1, "Sales": 1}}),
        ({"updated_at": {"lte": "2024-12-29"}}, {}),
        ({"updated_at": {"lte": "2024-12-31T23:59:59Z"}}, {}),
    ],
)
def test_what_no_app_lets_through_contradicts(
    query: dict[str, QueryValue], came: dict[str, dict[str, int]]
) -> None:
    ((_, kind),) = told(query, declared=None, came=observed(**came))
    assert kind == "contradicted"


def test_instants_outside_of_what_was_asked_for_are_told() -> None:
    queries: list[dict[str, QueryValue]] = [{"gt": "2024-06-01"}, {"lte": "2024-06-01T00:00:00Z"}]
    for query in queries:
        assert told({"updated_at": query}, declared=None, came=observed()) == [
            ("updated_at", "contradicted")
        ]
    assert told({"updated_at": {"gt": "2023-06-01"}}, declared=None, came=observed()) == []
