"""What List Groups can be asked, and what is refused before anything is sent. Pure; no fakes."""

import pytest
from pydantic import ValidationError

from truto_groups.settings.mistakes import Mistake, spell_path
from truto_groups.settings.pydantic_errors import Origin, find_mistakes
from truto_groups.settings.query_parameters import (
    ARRAY_PARAMETERS,
    PARAMETERS,
    REFUSED_PARAMETERS,
    ListGroupsQuery,
)
from truto_groups.settings.sections import find_model


def validate_query(query: dict[str, object]) -> dict[str, object]:
    return ListGroupsQuery.model_validate(query).model_dump(exclude_none=True)


def find_query_mistakes(query: dict[str, object]) -> list[Mistake]:
    with pytest.raises(ValidationError) as caught:
        validate_query(query)
    return find_mistakes(caught.value, Origin(query, lambda path: find_model((*IN_FILE, *path))))


IN_FILE = ("defaults", "query")


def test_every_documented_parameter_is_offered_or_refused_with_a_reason() -> None:
    assert set(PARAMETERS) == {
        "organization_id",
        "workspace_id",
        "group_type",
        "name",
        "sort_by",
        "is_group",
        "created_at",
        "updated_at",
        "description",
        "user_id",
        "filter",
        "attributes",
        "excludedAttributes",
        "sortBy",
        "sortOrder",
        "or",
        "and",
        "remote_query",
        "truto_exclude_fields",
        "truto_ignore_limit",
        "truto_ignore_remote_data",
        "truto_super_query",
    }
    assert set(REFUSED_PARAMETERS) == {
        "integrated_account_id",
        "limit",
        "next_cursor",
        "truto_response_format",
        "truto_key_by",
        "truto_skip_api_call",
        "truto_body_passthrough",
    }
    assert {"truto_exclude_fields", "or", "and"} == ARRAY_PARAMETERS


def test_a_query_of_every_kind_is_passed_on_unchanged() -> None:
    query = {
        "organization_id": ["1200", "1201"],
        "group_type": ["department", "product"],
        "name": "Engineering",
        "is_group": [True, False],
        "created_at": "2025-01-31T08:00:00Z",
        "updated_at": {"gte": "2025-01-31", "in": ["2025-02-01", "2025-02-02"], "like": "2025%"},
        "sort_by": "created_at",
        "filter": 'displayName sw "A"',
        "attributes": "id,displayName",
        "sortOrder": "descending",
        "or": [{"name": "A"}, {"name": {"like": "B%"}}],
        "remote_query": {"page": {"size": 5, "tags": ["a", "b"]}, "deep": True, "ratio": 0.5},
        "truto_exclude_fields": ["description"],
        "truto_ignore_remote_data": True,
        "truto_super_query": "wnam",
    }

    assert validate_query(query) == query


@pytest.mark.parametrize("name", sorted(REFUSED_PARAMETERS))
def test_what_would_break_the_sync_is_refused_with_what_to_do_instead(name: str) -> None:
    (mistake,) = find_query_mistakes({name: "x"})

    assert mistake.path == (name,)
    assert mistake.what == "would break the sync"
    assert mistake.right.startswith("Leave it out")


@pytest.mark.parametrize(
    ("query", "path", "what", "right"),
    [
        ({"names": "x"}, ("names",), "is no documented parameter", "Did you mean name?"),
        ({"descendants": True}, ("descendants",), "is no documented", "go under remote_query"),
        ({"created_at[gt]": "2025-01-31"}, ("created_at[gt]",), "is no", "created_at: {gt: …}"),
        ({"truto_exclude_fields[]": "x"}, ("truto_exclude_fields[]",), "is no", "fields: [ … ]"),
        ({"organization_id": 1200}, ("organization_id",), "1200 is a number", 'id: "1200"'),
        ({"organization_id": ["a", 7]}, ("organization_id", 1), "7 is a number", 'quotes: "7"'),
        ({"name": False}, ("name",), "false is a boolean", 'name: "false"'),
        ({"name": None}, ("name",), "is empty", "leave it out"),
        ({"name": " "}, ("name",), "is an empty text", "leave it out"),
        ({"name": {"eq": "x"}}, ("name",), "is not text", "Write a text"),
        ({"name": []}, ("name",), "is an empty list", "leave it out"),
        ({"name": ["a", "a"]}, ("name", 1), '"a" stands twice', "Give each value once"),
        ({"is_group": "yes"}, ("is_group",), '"yes" is neither', "true or false"),
        ({"is_group": 1}, ("is_group",), "1 is neither", "true or false"),
        ({"group_type": "Teams"}, ("group_type",), '"Teams" is no such', "Did you mean team?"),
        ({"group_type": ["team", "x"]}, ("group_type", 1), '"x" is no', "department, group, pro"),
        ({"sort_by": ["id", "name"]}, ("sort_by",), "takes one value", "Write the one value"),
        ({"sort_by": "updated_at"}, ("sort_by",), "is no such value", "created_at, id, name"),
        ({"sortOrder": "asc"}, ("sortOrder",), '"asc" is neither ascending', "or descending"),
        ({"sortOrder": ["ascending"]}, ("sortOrder",), "takes one value", "Write the one value"),
        ({"name": [["a"]]}, ("name", 0), '["a"] is not text', "Write a text"),
        ({"created_at": [{"gt": 5}]}, ("created_at", 0, "gt"), "5 is not an ISO", "like 2025"),
        ({"or": [{"a": 1}, {"a": 1}]}, ("or", 1), '{"a": 1} stands twice', "Give each value once"),
        ({"created_at": "31.1.2025"}, ("created_at",), "is not an ISO 8601", "like 2025-01-31"),
        ({"created_at": 1738310400}, ("created_at",), "is not an ISO 8601", "like 2025-01-31"),
        ({"created_at": {}}, ("created_at",), "is an empty mapping", "{gte: 2025-01-31}"),
        ({"created_at": {"after": "x"}}, ("created_at", "after"), "is no operator", "eq, ne, gt"),
        ({"created_at": {"gt": "x"}}, ("created_at", "gt"), '"x" is not an ISO', "like 2025"),
        ({"updated_at": {"in": "2025-01-31"}}, ("updated_at", "in"), "is not a list", "in: ["),
        ({"updated_at": {"nin": []}}, ("updated_at", "nin"), "is an empty list", "Give a value"),
        ({"attributes": ["id", "x"]}, ("attributes",), "is a list", "one text with commas"),
        ({"excludedAttributes": "x, ID"}, ("excludedAttributes",), "leaves out id", "Keep id"),
        ({"truto_exclude_fields": ["id"]}, ("truto_exclude_fields", 0), "leaves out", "Keep id"),
        ({"truto_exclude_fields": [3]}, ("truto_exclude_fields", 0), "3 is a number", '"3"'),
        ({"truto_exclude_fields": "name"}, ("truto_exclude_fields",), "is not a list", "[desc"),
        ({"truto_exclude_fields": []}, ("truto_exclude_fields",), "is an empty list", "Give"),
        ({"truto_ignore_remote_data": "x"}, ("truto_ignore_remote_data",), "neither", "true or"),
        ({"or": {"name": "x"}}, ("or",), "is not a list", "or: [{name"),
        ({"or": ["x"]}, ("or", 0), "is not a mapping", "names and values"),
        ({"remote_query": "a=b"}, ("remote_query",), "is not a mapping", "names and values"),
        ({"remote_query": [{"a": 1}]}, ("remote_query",), "is not a mapping", "names and values"),
        ({"remote_query": {}}, ("remote_query",), "is empty", "leave it out"),
        ({"remote_query": {"a": [1, None]}}, ("remote_query", "a", 1), "has no value", "Give a"),
        ({"remote_query": {"a[b]": 1}}, ("remote_query", "a[b]"), "no name", "nested instead"),
        ({"remote_query": {"a": float("inf")}}, ("remote_query", "a"), "no finite", "finite"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(
    query: dict[str, object], path: tuple[str | int, ...], what: str, right: str
) -> None:
    (mistake,) = find_query_mistakes(query)

    assert mistake.path == path
    assert what in mistake.what
    assert right in mistake.right


def test_a_list_of_fields_in_one_text_cannot_smuggle_the_id_out() -> None:
    mistakes = find_query_mistakes({"truto_exclude_fields": ["name,id"]})

    assert [mistake.what for mistake in mistakes] == ["holds a comma", "leaves out id"]


def test_validating_names_every_mistake_of_a_query() -> None:
    mistakes = find_query_mistakes({"limit": 5, "organization_id": ["a", 7], "name": "ok"})
    told = " ".join(f"query.{spell_path(mistake.path)}: {mistake.what}" for mistake in mistakes)

    assert "query.limit: would break the sync" in told
    assert "query.organization_id[1]: 7 is a number" in told
    assert "name" not in told
