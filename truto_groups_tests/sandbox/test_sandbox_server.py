"""The sandbox as a server: token, errors, ceilings, faults, accounts, meta and capabilities."""

import gzip
import http.client
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from truto_groups.sandbox import (
    INTEGRATIONS,
    Ceilings,
    Request,
    Response,
    SandboxServer,
    error_bodies,
    make_account,
    sample_account,
)

ID = "11111111-1111-4111-8111-111111111111"
OTHER_ID = "22222222-2222-4222-8222-222222222222"
GROUPS = "/unified/user-directory/groups"
ONE = [{"id": "a", "name": "A", "remote_data": {}}]


@pytest.mark.parametrize("sent", ["", "Bearer wrong", "sandbox-token", "Basic sandbox-token"])
def test_a_wrong_token_gets_401_without_the_remote_flag(
    serve: Callable[..., Any], sent: str
) -> None:
    reader = serve(make_account(ID, ONE))
    headers = {"Authorization": sent}
    answer = reader.get(GROUPS, f"integrated_account_id={ID}", headers=headers)
    assert answer.status == 401
    assert answer.json.keys() == {"statusCode", "error", "message"}
    assert answer.json["error"] == "Unauthorized"


def test_an_account_that_lost_its_authorisation_gets_401_with_the_remote_flag(
    samples: Any,
) -> None:
    answer = samples.groups(sample_account("onelogin").id)
    assert answer.status == 401
    assert answer.json["truto_is_remote_error"] is True
    assert "remote_error" in answer.json["truto_error_insight"]
    assert answer.json["raw_response"]["message"] == "Unauthorized"
    assert samples.group(sample_account("onelogin").id, "418203").status == 401


def test_missing_scopes_are_named_in_a_403(serve: Callable[..., Any]) -> None:
    refused = error_bodies.missing_scopes(["groups.read"], raw_response="no")
    reader = serve(make_account(ID, ONE, failure=refused))
    answer = reader.groups(ID)
    assert (answer.status, answer.json["truto_is_remote_error"]) == (403, True)
    insight = answer.json["truto_error_insight"]["forbidden_error"]
    assert insight["value"] == {"missing_scopes": ["groups.read"]}


def test_unknown_paths_accounts_and_unmapped_integrations_get_404(samples: Any) -> None:
    assert samples.get("/unified/user-directory/users").status == 404
    assert samples.get("/nothing").status == 404
    assert samples.groups(ID).status == 404
    zendesk = samples.groups(sample_account("zendesk").id)
    assert zendesk.json["message"] == (
        "Method list of user-directory/groups is not supported by Zendesk"
    )
    assert zendesk.json["statusCode"] == 404


def test_a_request_without_an_account_gets_400(samples: Any) -> None:
    answer = samples.get(GROUPS)
    assert answer.status == 400
    insight = answer.json["truto_error_insight"]["missing_required_query_parameters"]
    assert insight["value"] == ["integrated_account_id"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writes_get_405(samples: Any, method: str) -> None:
    answer = samples.get(GROUPS, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_a_blocked_account_gets_503(serve: Callable[..., Any]) -> None:
    assert serve(make_account(ID, ONE, is_blocked=True)).groups(ID).status == 503


def test_the_vendors_limit_is_told_in_headers(samples: Any) -> None:
    headers = samples.groups(sample_account("launchdarkly").id).headers
    assert headers["ratelimit-limit"] == "110;w=10"
    assert headers["ratelimit-remaining"] == "109"
    assert 1 <= int(headers["ratelimit-reset"]) <= 10
    assert "ratelimit-limit" not in samples.groups(sample_account("jfrog").id).headers


def test_the_vendors_limit_counts_down_within_its_window(serve: Callable[..., Any]) -> None:
    server = serve(make_account(ID, ONE, integration="launchdarkly")).server
    query, token = f"integrated_account_id={ID}", {"authorization": f"Bearer {server.token}"}
    remaining = [
        server.answer(Request("GET", GROUPS, query, token, at=at)).headers["ratelimit-remaining"]
        for at in (20.0, 25.0, 29.9, 30.0)
    ]
    assert remaining == ["109", "108", "107", "109"]


def test_the_ceiling_of_an_account_answers_429_to_that_account_alone(
    serve: Callable[..., Any],
) -> None:
    accounts = make_account(ID, ONE), make_account(OTHER_ID, ONE)
    reader = serve(*accounts, ceilings=Ceilings(token=100, account=2))
    assert [reader.groups(ID).status for _ in range(3)] == [200, 200, 429]
    refused = reader.groups(ID)
    assert refused.headers["retry-after"] == "10"
    assert "integrated account" in refused.json["message"]
    assert "truto_is_remote_error" not in refused.json
    assert reader.groups(OTHER_ID).status == 200


def test_the_ceiling_of_the_token_answers_429_to_all(serve: Callable[..., Any]) -> None:
    reader = serve(make_account(ID, ONE), ceilings=Ceilings(token=2, window_seconds=60))
    assert [reader.get("/integrated-account").status for _ in range(3)] == [200, 200, 429]
    assert "API token" in reader.groups(ID).json["message"]


def test_a_ceiling_lets_requests_through_again_after_its_window(
    serve: Callable[..., Any],
) -> None:
    reader = serve(make_account(ID, ONE), ceilings=Ceilings(account=1, window_seconds=30))
    query = f"integrated_account_id={ID}"
    token = {"authorization": f"Bearer {reader.server.token}"}
    answers = [
        reader.server.answer(Request("GET", GROUPS, query, token, at=at)).status
        for at in (100.0, 129.9, 130.0)
    ]
    assert answers == [200, 429, 200]


def test_an_intercept_answers_first_or_changes_the_answer(serve: Callable[..., Any]) -> None:
    reader = serve(make_account(ID, ONE))

    def without_result(request: Request) -> Response | None:
        if request.integrated_account_id != ID:
            return None
        body = reader.server.answer(request).json()
        del body["result"]
        return Response.of_json(body, headers={"X-Changed": "yes"})

    reader.server.intercept = without_result
    answer = reader.groups(ID)
    assert "result" not in answer.json
    assert answer.headers["x-changed"] == "yes"
    assert reader.groups(OTHER_ID).status == 404
    reader.server.intercept = None
    assert reader.groups(ID).json["result"] == ONE


def test_faults_cut_a_body_short_or_hang_up(serve: Callable[..., Any]) -> None:
    faults = iter([Response(body=b'{"result":[]}', cut_at=5), Response(hang_up=True)])
    reader = serve(make_account(ID, ONE), intercept=lambda _: next(faults))
    with pytest.raises(http.client.IncompleteRead) as cut:
        reader.groups(ID)
    assert cut.value.partial == b'{"res'
    with pytest.raises(http.client.RemoteDisconnected):
        reader.groups(ID)


def test_a_failure_of_an_intercept_is_a_500_and_the_server_goes_on(
    serve: Callable[..., Any],
) -> None:
    def fail(_: Request) -> Response | None:
        raise ValueError("a mistake in a test")

    reader = serve(make_account(ID, ONE), intercept=fail)
    assert reader.groups(ID).status == 500
    reader.server.intercept = None
    assert reader.groups(ID).status == 200


def test_requests_are_logged_with_their_query_resolved(serve: Callable[..., Any]) -> None:
    reader = serve(make_account(ID, ONE))
    reader.groups(ID, "a[b][c]=1&d[]=2&d[]=3&e[][f]=4&g=%C3%A4+%2B")
    (request,) = reader.server.requests
    assert (request.method, request.path) == ("GET", GROUPS)
    assert request.integrated_account_id == ID
    assert request.query == {
        "integrated_account_id": ID,
        "a": {"b": {"c": "1"}},
        "d": ["2", "3"],
        "e": [{"f": "4"}],
        "g": "ä +",
    }
    reader.server.forget_requests()
    assert reader.server.requests == ()


def test_long_bodies_are_compressed_for_those_who_accept_it(samples: Any) -> None:
    query = f"integrated_account_id={sample_account('servicenow').id}&limit=100"
    plain = samples.get(GROUPS, query)
    zipped = samples.get(GROUPS, query, headers={"Accept-Encoding": "gzip, deflate"})
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.body == plain.body
    assert int(zipped.headers["content-length"]) < len(gzip.compress(plain.body, 1)) + 100


def test_a_connection_is_kept_for_many_requests(serve: Callable[..., Any]) -> None:
    server = serve(make_account(ID, ONE)).server
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        for _ in range(3):
            headers = {"Authorization": f"Bearer {server.token}"}
            connection.request("GET", f"{GROUPS}?integrated_account_id={ID}", headers=headers)
            socket_used = connection.sock
            assert connection.getresponse().read()
            assert connection.sock is socket_used
    finally:
        connection.close()


def test_ping_and_every_answer_tell_whose_port_this_is(serve: Callable[..., Any]) -> None:
    reader = serve(make_account(ID, ONE))
    ping = reader.get("/ping", headers={"Authorization": ""})
    assert (ping.status, ping.headers["x-truto-sandbox"]) == (200, "truto-groups")
    assert reader.get("/nothing").headers["x-truto-sandbox"] == "truto-groups"


def test_a_closed_server_answers_nothing_and_frees_its_port(serve: Callable[..., Any]) -> None:
    server = serve(make_account(ID, ONE)).server
    port = server.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/ping")
        connection.getresponse().read()
        server.close()
        assert connection.sock.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", port, timeout=10).connect()
    finally:
        connection.close()
    server.close()
    with SandboxServer(port, accounts=[]) as again:
        assert again.base_url == f"http://127.0.0.1:{port}"


def test_accounts_are_listed_in_pages_with_all_documented_fields(samples: Any) -> None:
    query, rows = "limit=7", []
    while query:
        page = samples.get("/integrated-account", query).json
        assert len(page["result"]) == 7
        rows += page["result"]
        cursor = page["next_cursor"]
        query = f"limit=7&next_cursor={cursor}" if cursor else ""
    assert [row["id"] for row in rows] == [account.id for account in samples.server.accounts]
    okta = rows[0]
    assert okta["integration"]["name"] == "okta"
    assert okta["tenant_id"] == "acme"
    assert {"status", "last_error", "context", "is_sandbox", "created_at"} <= okta.keys()
    assert samples.get(f"/integrated-account/{okta['id']}").json == okta
    assert samples.get(f"/integrated-account/{ID}").status == 404


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("integration.name=asana", {"globex asana"}),
        ("integration[name]=asana", {"globex asana"}),
        ("integration.name=okta&is_sandbox=true", {"acme okta preview"}),
        ("status=needs_reauth", {"initech onelogin"}),
        ("status[in]=needs_reauth,connecting", {"initech onelogin"}),
        ("tenant_id=umbrella&integration.name=jira", set()),
        ("created_at[gt]=2025-02-01", {"globex help scout"}),
        ("updated_at[gte]=2025-11-18T03:12:44Z", {"initech onelogin"}),
        (f"id[in]={sample_account('slack').id},{ID}", {"acme slack"}),
        ("features.super_query=wnam", set()),
    ],
)
def test_accounts_are_filtered(samples: Any, query: str, labels: set[str]) -> None:
    rows = samples.get("/integrated-account", query).json["result"]
    assert {row["context"]["label"] for row in rows} == labels


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "next_cursor=x"])
def test_bad_paging_of_accounts_is_refused(samples: Any, query: str) -> None:
    assert samples.get("/integrated-account", query).status == 400


def test_meta_declares_parameters_and_the_fields_that_are_filled(samples: Any) -> None:
    meta = samples.get(f"{GROUPS}/asana/meta/list").json
    assert meta.keys() == {
        "method",
        "schema",
        "response_schema",
        "query_schema",
        "request_body_schema",
        "default_query",
        "default_body",
        "documentation_link",
    }
    assert meta["query_schema"]["properties"]["organization_id"]["required"] is True
    filled = {"id", "name", "group_type", "description", "organization", "remote_data"}
    assert meta["response_schema"]["properties"].keys() == filled
    assert meta["schema"]["properties"]["id"]["required"] is True


def test_meta_of_an_account_has_its_mapping_with_its_override(
    serve: Callable[..., Any],
) -> None:
    override = {"user-directory": {"groups": {"list": {"response_mapping": "mine"}}}}
    reader = serve(
        make_account(ID, ONE), make_account(OTHER_ID, ONE, unified_model_override=override)
    )
    path = f"{GROUPS}/meta/list"
    meta = reader.get(path, f"integrated_account_id={ID}").json
    assert meta["response_mapping"].startswith('response.{ "id": id')
    assert "response_schema" not in meta
    mine = reader.get(path, f"integrated_account_id={OTHER_ID}").json
    assert mine["response_mapping"] == "mine"


def test_meta_follows_an_integration_that_changes_while_serving(
    serve: Callable[..., Any],
) -> None:
    reader = serve(make_account(ID, ONE))
    fewer = replace(INTEGRATIONS["okta"], fields=("id", "name"))
    reader.server.put_account(make_account(ID, ONE, integration=fewer))
    meta = reader.get(f"{GROUPS}/okta/meta/list").json
    assert meta["response_schema"]["properties"].keys() == {"id", "name", "remote_data"}


def test_meta_of_what_is_not_mapped_is_404(samples: Any) -> None:
    for path in ("zendesk/meta/list", "jira/meta/get", "nothing/meta/list", "okta/meta/create"):
        assert samples.get(f"{GROUPS}/{path}").status == 404


def test_capabilities_tell_whether_groups_can_be_listed(samples: Any) -> None:
    def methods(path: str) -> dict[str, list[str]]:
        body = samples.get(path, "type=unified&resource=groups").json
        assert "proxy" not in body
        return {entry["model"]: entry["methods"] for entry in body["unified"]}

    okta, zendesk = sample_account("okta"), sample_account("zendesk")
    assert methods(f"/integrated-account/{okta.id}/capabilities") == {
        "user-directory": ["list", "get"]
    }
    assert methods("/integration/jira/capabilities") == {"user-directory": ["list"]}
    assert methods(f"/integrated-account/{zendesk.id}/capabilities") == {}
    assert methods("/integration/zendesk/capabilities") == {}
    whole = samples.get(f"/integrated-account/{zendesk.id}/capabilities").json
    assert whole["account"]["status"] == "active"
    assert {entry["model"] for entry in whole["unified"]} == {"ticketing", "user-directory"}
    assert samples.get("/integration/nothing/capabilities").status == 404


def test_no_answer_to_a_refused_request_holds_the_token(samples: Any) -> None:
    answers = [samples.get("/nothing"), samples.groups(ID), samples.get(GROUPS)]
    assert not any(re.search(samples.server.token, str(answer)) for answer in answers)
