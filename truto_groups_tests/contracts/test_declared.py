"""What meta declares, and what is told of its changes: values in, values out."""

from datetime import UTC, datetime, timedelta

import pytest

from truto_groups.contracts.declared import (
    Declared,
    KeptRow,
    find_changes,
    find_missing_parameters,
    read_contract,
)

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=60)


def days_ago(count: float) -> datetime:
    return NOW - timedelta(days=count)


def field(
    name: str,
    json_type: str | None = "string",
    *,
    since: datetime = LONG_AGO,
    until: datetime | None = None,
    integration: str = "okta",
) -> KeptRow:
    return KeptRow(integration, Declared("field", name, json_type, False), since, until)


def parameter(
    name: str,
    *,
    required: bool,
    since: datetime = LONG_AGO,
    until: datetime | None = None,
    integration: str = "okta",
) -> KeptRow:
    return KeptRow(integration, Declared("parameter", name, "string", required), since, until)


def told(*rows: KeptRow, now: datetime = NOW) -> list[tuple[str, str, str]]:
    return [(one.integration, one.change, one.name) for one in find_changes(rows, now=now)]


def test_required_is_a_boolean_on_each_property() -> None:
    answer = {
        "response_schema": {"properties": {"id": {"type": "string", "required": True}}},
        "query_schema": {
            "properties": {
                "organization_id": {"type": "string", "required": True},
                "name": {"type": "string", "required": False},
                "sort_by": {"type": "string"},
            }
        },
    }

    assert list(read_contract(answer).entries) == [
        Declared("field", "id", "string", True),
        Declared("parameter", "organization_id", "string", True),
        Declared("parameter", "name", "string", False),
        Declared("parameter", "sort_by", "string", False),
    ]


def test_the_list_of_names_that_json_schema_has_is_understood_as_well() -> None:
    answer = {
        "schema": {"properties": {"id": {"type": "string"}}, "required": ["id"]},
        "query_schema": {"properties": {"a": {}, "b": {}}, "required": ["b"]},
    }

    assert {one.name: one.is_required for one in read_contract(answer).entries} == {
        "id": True,
        "a": False,
        "b": True,
    }


@pytest.mark.parametrize(
    ("described", "json_type"),
    [
        ({"type": "number"}, "number"),
        ({"type": ["string", "null"]}, "string"),
        ({"type": ["string", "number"]}, "number|string"),
        ({"properties": {}}, "object"),
        ({"items": {}}, "array"),
        ({"description": "no type"}, None),
        (True, None),
    ],
)
def test_the_type_is_read_however_it_is_written(described: object, json_type: str | None) -> None:
    answer = {"response_schema": {"properties": {"x": described}}}

    assert [one.json_type for one in read_contract(answer).entries] == [json_type]


def test_what_the_mapping_fills_wins_over_the_whole_schema() -> None:
    answer = {
        "response_schema": {"properties": {"id": {}}},
        "schema": {"properties": {"id": {}, "name": {}}},
    }

    assert [one.name for one in read_contract(answer).entries] == ["id"]


@pytest.mark.parametrize("empty", [None, {}, {"properties": {}}, "nonsense"])
def test_an_empty_response_schema_falls_back_to_the_whole_one(empty: object) -> None:
    answer = {"response_schema": empty, "schema": {"properties": {"id": {}}}}

    assert [one.name for one in read_contract(answer).entries] == ["id"]


@pytest.mark.parametrize("answer", [{}, {"schema": None}, {"schema": {"properties": []}}])
def test_an_answer_that_declares_no_field_tells_nothing(answer: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="declares a field"):
        read_contract(answer)


def test_a_missing_query_schema_does_not_tell_and_an_empty_one_tells_that_there_is_none() -> None:
    fields = {"schema": {"properties": {"id": {}}}}

    assert read_contract(fields).kinds == {"field"}
    assert read_contract({**fields, "query_schema": None}).kinds == {"field", "parameter"}


def test_an_odd_list_of_required_names_costs_itself_alone() -> None:
    """One integration's answer had broken off the listing of all contracts."""
    schema = {"properties": {"a": {}, "b": {}}, "required": [{"a": 1}, ["a"], None, "b"]}
    declared = read_contract({"schema": schema}).entries
    assert [one.name for one in declared if one.is_required] == ["b"]


def test_a_parameter_that_the_mapping_gives_by_default_is_not_required_of_us() -> None:
    answer = {
        "schema": {"properties": {"id": {}}},
        "query_schema": {"properties": {"a": {"required": True}, "b": {"required": True}}},
        "default_query": {"a": "1", "b": None},
    }

    assert [one.name for one in read_contract(answer).entries if one.is_required] == ["b"]


def test_a_dropped_field_is_told_for_a_week() -> None:
    rows = [field("id"), field("name", until=days_ago(6))]

    assert told(*rows) == [("okta", "dropped", "name")]
    assert told(*rows, now=NOW + timedelta(days=2)) == []


def test_a_retyped_field_is_told_for_a_week_with_both_types() -> None:
    rows = [
        field("id", until=days_ago(2)),
        field("id", "integer", since=days_ago(2)),
        field("id", integration="gitlab"),
    ]

    (change,) = find_changes(rows, now=NOW)

    assert (change.integration, change.was, change.now) == ("okta", "string", "integer")
    assert change.seen_at == days_ago(2)
    assert change.told_until == NOW + timedelta(days=5)
    assert told(*rows, now=NOW + timedelta(days=6)) == []


def test_a_field_that_is_declared_without_a_type_is_no_retyped_one() -> None:
    """It was told as "declares id as None instead of string"."""
    untyped = field("id", None, since=days_ago(2))
    assert told(field("id", until=days_ago(2)), untyped) == []

    typed_now = [field("name", None, until=days_ago(2)), field("name", since=days_ago(2))]
    assert told(*typed_now) == []

    again = [
        field("id", None, until=days_ago(4)),
        field("id", since=days_ago(4), until=days_ago(3)),
        field("id", None, since=days_ago(3), until=days_ago(2)),
        field("id", "integer", since=days_ago(2)),
    ]
    assert told(*again) == [("okta", "retyped", "id")]


def test_a_change_that_is_undone_is_not_told_any_more() -> None:
    back = [field("name", until=days_ago(3)), field("name", since=days_ago(1))]
    retyped_and_back = [
        field("id", until=days_ago(3)),
        field("id", "integer", since=days_ago(3), until=days_ago(1)),
        field("id", since=days_ago(1)),
    ]

    assert told(*back, *retyped_and_back) == []


def test_a_field_that_truto_does_not_document_is_nothing_that_we_rely_on() -> None:
    assert told(field("id"), field("cost_center", until=days_ago(1))) == []


def test_a_field_that_was_declared_only_this_week_can_be_dropped_too() -> None:
    rows = [field("id"), field("description", since=days_ago(5), until=days_ago(1))]

    assert told(*rows) == [("okta", "dropped", "description")]


def test_the_first_contract_of_an_integration_changes_nothing() -> None:
    rows = [
        field("id", since=days_ago(1)),
        parameter("organization_id", required=True, since=days_ago(1)),
    ]

    assert told(*rows) == []


@pytest.mark.parametrize(
    "before",
    [[], [parameter("organization_id", required=False, until=days_ago(2))]],
    ids=["new", "optional before"],
)
def test_a_parameter_that_became_required_is_told(before: list[KeptRow]) -> None:
    other = parameter("name", required=False)
    now = parameter("organization_id", required=True, since=days_ago(2))

    assert told(other, *before, now) == [("okta", "newly_required", "organization_id")]
    assert told(other, *before, now, now=NOW + timedelta(days=6)) == []


def test_a_parameter_that_is_no_longer_required_or_is_gone_is_not_told() -> None:
    rows = [
        parameter("a", required=True, until=days_ago(2)),
        parameter("a", required=False, since=days_ago(2)),
        parameter("b", required=True, until=days_ago(2)),
        parameter("c", required=True, since=days_ago(5), until=days_ago(2)),
        parameter("c", required=False, since=days_ago(2)),
        parameter("d", required=True, since=days_ago(5), until=days_ago(2)),
    ]

    assert told(*rows) == []


def test_only_required_parameters_that_are_not_given_are_missing() -> None:
    rows = [
        parameter("organization_id", required=True),
        parameter("group_type", required=True),
        parameter("name", required=False),
        parameter("workspace", required=True, until=days_ago(1)),
        parameter("integrated_account_id", required=True),
        parameter("limit", required=True),
        parameter("other", required=True, integration="gitlab"),
    ]

    assert find_missing_parameters(rows, integration="okta", given=["group_type"]) == [
        "organization_id"
    ]
