"""List Groups and Get Group of the sandbox, over real HTTP, on accounts made for the test."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from truto_groups.sandbox import INTEGRATIONS, GeneratedGroups, Integration, Verbatim, make_account

ID = "11111111-1111-4111-8111-111111111111"
OTHER_ID = "22222222-2222-4222-8222-222222222222"


def make_groups(count: int, *, prefix: str = "g") -> list[dict[str, Any]]:
    return [
        {
            "id": f"{prefix}{number}",
            "name": f"Group {number}",
            "group_type": "team" if number % 2 else "department",
            "created_at": f"2024-01-{number + 1:02d}T00:00:00.000Z",
            "remote_data": {"id": number, "visibility": "private" if number < 2 else "public"},
        }
        for number in range(count)
    ]


def test_pages_follow_the_cursor_to_the_end_without_loss(serve: Callable[..., Any]) -> None:
    groups = make_groups(7)
    reader = serve(make_account(ID, groups))
    pages = reader.pages(ID, "limit=3")
    assert [page["result"] for page in pages] == [groups[:3], groups[3:6], groups[6:]]
    assert [page["result_count"] for page in pages] == [3, 3, 1]
    assert pages[-1]["next_cursor"] is None
    assert pages[0]["prev_cursor"] is None


def test_a_list_that_fills_its_last_page_ends_there(serve: Callable[..., Any]) -> None:
    reader = serve(make_account(ID, make_groups(6)))
    assert [len(page["result"]) for page in reader.pages(ID, "limit=3")] == [3, 3]


def test_prev_cursor_leads_back(serve: Callable[..., Any]) -> None:
    reader = serve(make_account(ID, make_groups(6)))
    second = reader.pages(ID, "limit=2")[1]
    back = reader.groups(ID, f"limit=2&next_cursor={second['prev_cursor']}").json
    assert [group["id"] for group in back["result"]] == ["g0", "g1"]


def test_cursors_are_opaque_and_are_refused_with_another_account_or_query(
    serve: Callable[..., Any],
) -> None:
    accounts = [make_account(key, make_groups(4), integration="15five") for key in (ID, OTHER_ID)]
    reader = serve(*accounts)
    cursor = reader.groups(ID, "limit=2").json["next_cursor"]
    assert isinstance(cursor, str)
    assert not cursor.isdecimal()
    assert reader.groups(ID, f"limit=2&next_cursor={cursor}").status == 200
    assert reader.groups(OTHER_ID, f"limit=2&next_cursor={cursor}").status == 400
    assert reader.groups(ID, f"limit=2&name=x&next_cursor={cursor}").status == 400
    assert reader.groups(ID, "limit=2&next_cursor=nonsense").status == 400


def test_an_empty_page_with_a_cursor_is_served_and_nothing_is_lost(
    serve: Callable[..., Any],
) -> None:
    groups = make_groups(5)
    reader = serve(make_account(ID, groups, empty_pages=frozenset({1, 3})))
    pages = reader.pages(ID, "limit=2")
    assert [len(page["result"]) for page in pages] == [0, 2, 0, 2, 1]
    assert [group for page in pages for group in page["result"]] == groups


def test_limit_is_capped_by_the_vendor_and_ignored_when_asked(serve: Callable[..., Any]) -> None:
    integration = Integration("own", "Own", "test", page_size=4, max_page_size=6)
    reader = serve(make_account(ID, make_groups(20), integration=integration))
    assert reader.groups(ID).json["result_count"] == 4
    assert reader.groups(ID, "limit=100").json["result_count"] == 6
    assert reader.groups(ID, "limit=2&truto_ignore_limit=true").json["result_count"] == 4


@pytest.mark.parametrize("limit", ["0", "-1", "many", ""])
def test_a_limit_that_is_no_positive_integer_is_refused(
    serve: Callable[..., Any], limit: str
) -> None:
    reader = serve(make_account(ID, make_groups(1)))
    assert reader.groups(ID, f"limit={limit}").status == 400


def test_a_vendor_without_pages_gives_everything_at_once(serve: Callable[..., Any]) -> None:
    reader = serve(make_account(ID, make_groups(9), integration="slack"))
    assert reader.groups(ID, "limit=2").json["result_count"] == 9


def test_a_supported_filter_is_applied_and_an_unsupported_one_ignored(
    serve: Callable[..., Any],
) -> None:
    reader = serve(
        make_account(ID, make_groups(4), integration="okta"),
        make_account(OTHER_ID, make_groups(4), integration="gitlab"),
    )
    named = "name=Group%202"
    assert [group["id"] for group in reader.all_groups(ID, named)] == ["g2"]
    assert len(reader.all_groups(OTHER_ID, named)) == 4


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("created_at[gt]=2024-01-02T00:00:00Z", ["g2", "g3"]),
        ("created_at%5Bgte%5D=2024-01-02T00:00:00Z", ["g1", "g2", "g3"]),
        ("created_at[gt]=2024-01-01&created_at[lt]=2024-01-03", ["g1"]),
        ("created_at[lte]=2024-01-01T01:00:00%2B01:00", ["g0"]),
        ("created_at[ne]=2024-01-01T00:00:00Z", ["g1", "g2", "g3"]),
        ("created_at=2024-01-03T00:00:00.000Z", ["g2"]),
    ],
)
def test_operators_on_instants(serve: Callable[..., Any], query: str, expected: list[str]) -> None:
    reader = serve(make_account(ID, make_groups(4), integration="vercel"))
    assert [group["id"] for group in reader.all_groups(ID, query)] == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name[in]=Group 1,Group 3", ["g1", "g3"]),
        ("name[]=Group 1&name[]=Group 2", ["g1", "g2"]),
        ("name[nin]=Group 1,Group 3", ["g0", "g2"]),
        ("name[like]=%253", ["g3"]),
        ("name[ne]=Group 0", ["g1", "g2", "g3"]),
    ],
)
def test_operators_on_text(serve: Callable[..., Any], query: str, expected: list[str]) -> None:
    reader = serve(make_account(ID, make_groups(4)))
    found = reader.all_groups(ID, query.replace(" ", "%20"))
    assert [group["id"] for group in found] == expected


def test_sort_by_sorts_where_the_integration_can(serve: Callable[..., Any]) -> None:
    groups = list(reversed(make_groups(3)))
    reader = serve(make_account(ID, groups), make_account(OTHER_ID, groups, integration="jira"))
    assert [group["id"] for group in reader.all_groups(ID, "sort_by=name")] == ["g0", "g1", "g2"]
    assert reader.all_groups(ID, "sort_by=created_at") == groups
    assert reader.all_groups(OTHER_ID, "sort_by=name") == groups


def test_remote_query_goes_to_the_vendor_as_it_is(serve: Callable[..., Any]) -> None:
    reader = serve(make_account(ID, make_groups(4), integration="gitlab"))
    found = reader.all_groups(ID, "remote_query[visibility]=private")
    assert [group["id"] for group in found] == ["g0", "g1"]
    query = "remote_query[a][b]=c&truto_response_format=debug"
    debug = reader.groups(ID, query).json["debug"]
    assert debug["requestOptions"]["query"] == {"a": {"b": "c"}}


def test_raw_gives_the_vendors_records(serve: Callable[..., Any]) -> None:
    groups = make_groups(2)
    reader = serve(make_account(ID, groups))
    raw = reader.groups(ID, "truto_response_format=raw").json
    assert raw["result"] == [group["remote_data"] for group in groups]


@pytest.mark.parametrize("name", ["unified", "normalized", "stream"])
def test_formats_of_unified_records_carry_the_same(serve: Callable[..., Any], name: str) -> None:
    groups = make_groups(40)
    reader = serve(make_account(ID, groups))
    answer = reader.groups(ID, f"truto_response_format={name}&limit=100")
    assert answer.json["result"] == groups
    assert ("transfer-encoding" in answer.headers) is (name == "stream")


def test_debug_wraps_result_and_debug_and_its_cursor_leads_on(serve: Callable[..., Any]) -> None:
    groups = make_groups(3)
    reader = serve(make_account(ID, groups))
    query = "truto_response_format=debug&limit=2"
    first = reader.groups(ID, query).json
    assert first.keys() == {"result", "debug"}
    assert first["result"] == groups[:2]
    assert first["debug"]["resultCount"] == 2
    assert first["debug"]["data"] == [group["remote_data"] for group in groups[:2]]
    second = reader.groups(ID, f"{query}&next_cursor={first['debug']['nextCursor']}").json
    assert second["result"] == groups[2:]
    assert second["debug"]["nextCursor"] is None
    skipped = reader.groups(ID, f"{query}&truto_skip_api_call=true").json
    assert skipped["debug"] is None


def test_an_unknown_format_is_refused(serve: Callable[..., Any]) -> None:
    reader = serve(make_account(ID, make_groups(1)))
    assert reader.groups(ID, "truto_response_format=xml").status == 400


def test_key_by_makes_result_an_object_in_which_duplicates_collapse(
    serve: Callable[..., Any],
) -> None:
    groups = make_groups(3)
    reader = serve(make_account(ID, groups))
    by_id = reader.groups(ID, "truto_key_by=id").json["result"]
    assert by_id == {group["id"]: group for group in groups}
    by_type = reader.groups(ID, "truto_key_by=group_type").json["result"]
    assert by_type == {"department": groups[2], "team": groups[1]}


@pytest.mark.parametrize(
    "query",
    [
        "truto_exclude_fields[]=name&truto_exclude_fields[]=remote_data",
        "truto_exclude_fields%5B%5D=name&truto_exclude_fields%5B%5D=remote_data",
        "truto_exclude_fields[0]=name&truto_exclude_fields[1]=remote_data",
        "truto_exclude_fields=name,remote_data",
        "truto_exclude_fields[]=name&truto_ignore_remote_data=true",
    ],
)
def test_fields_are_left_out_of_list_and_get(serve: Callable[..., Any], query: str) -> None:
    reader = serve(make_account(ID, make_groups(1)))
    kept = {"id", "group_type", "created_at"}
    assert reader.groups(ID, query).json["result"][0].keys() == kept
    assert reader.group(ID, "g0", query).json.keys() == kept


def test_a_required_parameter_that_is_missing_is_named(serve: Callable[..., Any]) -> None:
    reader = serve(make_account(ID, make_groups(2), integration="asana"))
    answer = reader.groups(ID)
    assert answer.status == 400
    insight = answer.json["truto_error_insight"]
    assert insight["missing_required_query_parameters"]["value"] == ["organization_id"]
    assert "truto_is_remote_error" not in answer.json


def test_get_group_answers_the_bare_object(serve: Callable[..., Any]) -> None:
    groups = make_groups(2)
    reader = serve(make_account(ID, groups))
    assert reader.group(ID, "g1").json == groups[1]
    assert reader.group(ID, "g1", "truto_response_format=raw").json == groups[1]["remote_data"]
    debug = reader.group(ID, "g1", "truto_response_format=debug").json
    assert debug["result"] == groups[1]
    assert debug["debug"].keys() == {"requestUrl", "requestOptions", "data"}


def test_get_group_finds_integer_ids_and_ids_that_need_encoding(
    serve: Callable[..., Any],
) -> None:
    groups: list[dict[str, Any]] = [{"id": 7, "name": "n"}, {"id": "a/b c?+", "name": "m"}]
    reader = serve(make_account(ID, groups))
    assert reader.group(ID, 7).json == groups[0]
    assert reader.group(ID, "a/b c?+").json == groups[1]


def test_get_group_answers_404_when_unknown_or_not_mapped(serve: Callable[..., Any]) -> None:
    reader = serve(
        make_account(ID, make_groups(1)), make_account(OTHER_ID, make_groups(1), integration="jira")
    )
    unknown = reader.group(ID, "nobody")
    assert (unknown.status, unknown.json["truto_is_remote_error"]) == (404, True)
    unmapped = reader.group(OTHER_ID, "g0")
    assert unmapped.status == 404
    assert "truto_is_remote_error" not in unmapped.json


@pytest.mark.parametrize("slug", ["jfrog", "15five"])
def test_a_partial_list_gives_id_and_name_and_get_gives_the_rest(
    serve: Callable[..., Any], slug: str
) -> None:
    groups = make_groups(2)
    for group in groups:
        group["remote_data"]["name"] = group["name"]
    reader = serve(make_account(ID, groups, integration=slug))
    page = reader.groups(ID).json
    assert page["is_partial_response"] is True
    assert page["result"][0].keys() == {"id", "name", "remote_data"}
    assert [reader.group(ID, group["id"]).json for group in page["result"]] == groups


def test_time_passes_with_each_completed_walk(serve: Callable[..., Any]) -> None:
    first, second = make_groups(3), make_groups(4)
    reader = serve(make_account(ID, first, second))
    assert reader.server.refresh_of(ID) == 1
    assert reader.all_groups(ID, "limit=2") == first
    assert reader.group(ID, "g3").status == 404
    assert reader.all_groups(ID, "limit=3") == second
    assert reader.group(ID, "g3").json == second[3]
    assert reader.all_groups(ID, "limit=2") == second
    assert reader.server.refresh_of(ID) == 2


def test_a_walk_that_breaks_off_starts_no_refresh_and_one_under_way_keeps_its_own(
    serve: Callable[..., Any],
) -> None:
    first, second = make_groups(4), make_groups(2, prefix="new")
    reader = serve(make_account(ID, first, second, make_groups(1)))
    broken_off = reader.groups(ID, "limit=2").json["next_cursor"]
    assert reader.all_groups(ID, "limit=2") == first
    assert reader.groups(ID, "limit=1").json["result"] == second[:1]
    rest = reader.groups(ID, f"limit=2&next_cursor={broken_off}").json["result"]
    assert rest == first[2:]
    assert reader.all_groups(ID, "limit=2") == second
    assert reader.server.refresh_of(ID) == 2


def test_another_query_is_served_the_present_refresh_and_moves_no_time(
    serve: Callable[..., Any],
) -> None:
    first, second, third = make_groups(1), make_groups(2), make_groups(3)
    reader = serve(make_account(ID, first, second, third))
    walks = [reader.all_groups(ID, query) for query in ("", "", "sort_by=name", "sort_by=id", "")]
    assert walks == [first, second, second, second, third]


def test_a_walk_for_each_of_several_values_sees_one_refresh(serve: Callable[..., Any]) -> None:
    first = [{"id": org + "1", "organization": org} for org in "ab"]
    second = [{"id": org + "2", "organization": org} for org in "ab"]
    reader = serve(make_account(ID, first, second, integration="asana"))
    walks = [
        reader.all_groups(ID, f"organization_id={organization}")[0]["id"]
        for _ in range(2)
        for organization in "ab"
    ]
    assert walks == ["a1", "b1", "a2", "b2"]


def test_time_goes_on_after_a_restart_with_a_state_file(
    serve: Callable[..., Any], tmp_path: Any
) -> None:
    account = make_account(ID, make_groups(1), make_groups(2), make_groups(3))
    state_path = tmp_path / "deep" / "state.json"
    for count in (1, 2, 3, 3):
        reader = serve(account, state_path=state_path)
        assert len(reader.all_groups(ID)) == count
        reader.server.close()
    reader = serve(account, state_path=state_path)
    reader.server.turn_to(ID, refresh=2)
    assert len(reader.all_groups(ID)) == 2


def test_generated_groups_are_made_only_when_they_are_served(serve: Callable[..., Any]) -> None:
    made: list[int] = []

    def make(number: int) -> dict[str, Any]:
        made.append(number)
        return {"id": str(number)}

    groups = GeneratedGroups(300_000, make)
    reader = serve(make_account(ID, groups))
    page = reader.groups(ID, "limit=3").json
    reader.groups(ID, f"limit=3&next_cursor={page['next_cursor']}")
    assert made == [0, 1, 2, 3, 4, 5]
    assert groups[-1] == {"id": "299999"}
    with pytest.raises(IndexError):
        groups[300_000]


def test_verbatim_groups_and_odd_records_go_out_as_they_are(serve: Callable[..., Any]) -> None:
    text = '{"id":"v","id":"v", "big":123456789012345678901234567890.5e3}'
    lone_surrogate = {"id": "s", "name": "\ud800"}
    reader = serve(make_account(ID, [Verbatim(text), "text", None, lone_surrogate]))
    body = reader.groups(ID).body
    assert text.encode() in body
    assert json.loads(body)["result"][1:] == ["text", None, lone_surrogate]
    assert reader.group(ID, "v").body == text.encode()


def test_an_account_can_be_replaced_and_removed_while_serving(serve: Callable[..., Any]) -> None:
    reader = serve(make_account(ID, make_groups(1)))
    assert len(reader.all_groups(ID)) == 1
    reader.server.put_account(make_account(ID, make_groups(2)))
    reader.server.turn_to(ID, refresh=1)
    assert len(reader.all_groups(ID)) == 2
    reader.server.remove_account(ID)
    assert reader.groups(ID).status == 404


def test_every_page_of_sixteen_readers_at_once_is_right(serve: Callable[..., Any]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    accounts = {
        f"{number:08d}-0000-4000-8000-000000000000": make_groups(9, prefix=f"a{number}-")
        for number in range(16)
    }
    reader = serve(*(make_account(key, groups) for key, groups in accounts.items()))
    with ThreadPoolExecutor(16) as pool:
        read = pool.map(lambda key: reader.all_groups(key, "limit=2"), accounts)
        assert list(read) == list(accounts.values())


def test_the_integrations_of_the_samples_are_known_by_their_slug() -> None:
    assert all(slug == integration.slug for slug, integration in INTEGRATIONS.items())
