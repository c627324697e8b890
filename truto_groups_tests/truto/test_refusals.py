"""Answers that are none: what they become, for whom, and what is told of them.

The wire is httpx.MockTransport, the rest of the client is real.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from truto_groups.coordination.files.start_log import FileStartLog
from truto_groups.errors import (
    AccountNeedsReauthError,
    CompletionError,
    ErrorAnswerError,
    ForbiddenError,
    NotFoundError,
    RetriesExhaustedError,
    TokenRejectedError,
    TrutoError,
    UnexpectedAnswerError,
    find_permanent_kinds,
)
from truto_groups.truto import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.truto.limits import RequestLimits
from truto_groups.truto.walk_results import Page, SyncStats
from truto_groups_tests.truto.test_client import (
    ACCOUNT,
    BASE_URL,
    Answer,
    Walked,
    ask,
    build_account,
    build_partial,
    refuse,
    walk,
)

Call = Callable[[TrutoClient], Awaitable[object]]


async def land(page: Page) -> None:
    pass


def walk_with(client: TrutoClient) -> Awaitable[object]:
    return client.walk_groups(GroupsRequest(ACCOUNT, "okta"), land=land, stats=SyncStats())


CALLS: dict[str, tuple[Call, dict[str, Any]]] = {
    "List Groups": (walk_with, {"result": []}),
    "List Integrated Accounts": (
        lambda client: client.list_integrated_accounts(),
        {"result": [build_account()]},
    ),
    "Get Integrated Account": (
        lambda client: client.get_integrated_account(ACCOUNT),
        build_account(),
    ),
    "Capabilities": (lambda client: client.supports_groups(ACCOUNT), {"unified": []}),
    "The contract": (lambda client: client.read_declared_contract("okta"), {"method": "list"}),
}
TOLD: dict[str, Any] = {
    "errors": {"errors": [{"message": "the app is on fire"}]},
    "errors by resource": {"errors": {"user-directory/groups": ["the app is on fire"]}},
    "error": {"error": "the app is on fire"},
    "error object": {"error": {"code": 7, "text": "the app is on fire"}},
    "error flag": {"error": True, "message": "the app is on fire"},
    "status": {"statusCode": 501, "message": "the app is on fire"},
    "status as text": {"statusCode": "501", "message": "the app is on fire"},
    "status with words": {"statusCode": "501 Not Implemented", "message": "the app is on fire"},
    "status as a fraction": {"statusCode": 501.0, "message": "the app is on fire"},
    "no status of HTTP": {"statusCode": 40001, "message": "the app is on fire"},
}
HARMLESS: dict[str, Any] = {
    "errors": [],
    "error": None,
    "statusCode": 200,
    "message": "OK",
    "success": True,
}


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD.keys())
@pytest.mark.parametrize(("call", "good"), CALLS.values(), ids=CALLS.keys())
def test_a_body_that_calls_itself_an_error_is_one_whatever_stands_beside_it(
    call: Call, good: dict[str, Any], told: dict[str, Any]
) -> None:
    with pytest.raises(TrutoError, match="the app is on fire") as caught:
        ask(refuse(200, {**good, **told}), call)
    assert type(caught.value) in (ErrorAnswerError, UnexpectedAnswerError)
    assert "200 and an error" in caught.value.message


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD.keys())
def test_a_group_that_calls_itself_an_error_completes_nothing(told: dict[str, Any]) -> None:
    walked = Walked()
    with pytest.raises((CompletionError, UnexpectedAnswerError), match="the app is on fire"):
        walk(build_partial(refuse(200, {"id": "1", **told}), [{"id": "1"}]), walked=walked)
    assert walked.pages == []


@pytest.mark.parametrize(
    "odd",
    [
        HARMLESS,
        {"errors": {}, "error": "", "statusCode": None},
        {"errors": [None, []], "error": " ", "statusCode": "200"},
        {"errors": None, "error": False, "statusCode": "ok"},
        {"errors": 0, "error": 0, "statusCode": 399},
    ],
)
@pytest.mark.parametrize(("call", "good"), CALLS.values(), ids=CALLS.keys())
def test_an_error_that_holds_nothing_is_none(
    call: Call, good: dict[str, Any], odd: dict[str, Any]
) -> None:
    ask(refuse(200, {**good, **odd}), call)


@pytest.mark.parametrize(
    "hint",
    [
        {"errors": [{}]},
        {"error": {}},
        {"error": {"message": " "}},
        {"status_code": 500},
        {"status": "503 Service Unavailable"},
        {"success": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("call", [call for call, good in CALLS.values() if "result" in good])
def test_an_empty_answer_that_hints_at_an_error_is_not_taken_for_empty(
    call: Call, hint: dict[str, Any]
) -> None:
    for empty in ([], {}):
        with pytest.raises(TrutoError, match="200"):
            ask(refuse(200, {"result": empty, **hint}), call)
    ask(refuse(200, {"result": [], "status": "success", **HARMLESS}), call)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 205, 206, 207, 226, 300, 304, 999])
@pytest.mark.parametrize(("call", "good"), CALLS.values(), ids=CALLS.keys())
def test_any_status_but_200_is_no_answer(call: Call, good: dict[str, Any], status: int) -> None:
    with pytest.raises(UnexpectedAnswerError, match=str(status)):
        ask(refuse(status, good), call)


REMOTE = {"truto_is_remote_error": True}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"statusCode": 404, "message": "gone"}, NotFoundError),
        ({"statusCode": "403", "message": "no"}, ForbiddenError),
        ({"statusCode": 401, "message": "Unauthorized"}, ErrorAnswerError),
        ({"statusCode": 401, "error": "Unauthorized", **REMOTE}, AccountNeedsReauthError),
        ({"error": "Unauthorized"}, ErrorAnswerError),
        ({"errors": [{"status": 401, "message": "invalid token"}]}, ErrorAnswerError),
    ],
)
def test_the_status_that_a_body_names_says_what_it_is_and_never_that_the_token_is_refused(
    body: dict[str, Any], error: type[TrutoError]
) -> None:
    walked = Walked()
    with pytest.raises(TrutoError) as caught:
        walk(refuse(200, {"result": [], **body}), walked=walked)
    assert type(caught.value) is error
    assert caught.value.integrated_account_id == ACCOUNT
    assert (walked.pages, walked.stats.request_count) == ([], 1)


def heal_after(*bad: httpx.Response) -> Answer:
    """Give these answers first, one each, and then an empty list."""
    waiting = list(bad)
    return lambda request: (
        waiting.pop(0) if waiting else httpx.Response(200, json={"result": [{"id": "1"}]})
    )


@pytest.mark.parametrize("status", [503, "503", 520], ids=["number", "text", "edge"])
def test_a_body_that_names_a_status_that_heals_is_tried_again(status: int | str) -> None:
    bad = {"result": [], "statusCode": status, "error": "Service Unavailable"}
    walked = walk(heal_after(httpx.Response(200, json=bad), httpx.Response(200, json=bad)))
    assert (walked.ids, walked.stats.retry_count) == (["1"], 2)


@pytest.mark.parametrize(
    "status", [408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530]
)
def test_what_can_heal_is_tried_again(status: int) -> None:
    walked = walk(heal_after(httpx.Response(status), httpx.Response(status, text="<html>")))
    assert (walked.ids, walked.stats.retry_count) == (["1"], 2)


# Who is to blame for a 401


@pytest.mark.parametrize(
    "body",
    [
        rb'{"truto_is_remote_error": true, "message": "no \ud83d"}',
        b'{"truto_is_remote_error": true, "message": "no \xff"}',
        b'{"truto_is_remote_error": true, "raw_response": 1e999}',
        b'{"truto_is_remote_error": true, "raw_response": NaN}',
        b'{"truto_is_remote_error": true, "raw_response": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"truto_is_remote_error": true, "raw_response": "cut off',
        b'{"truto_is_remote_error": "true"}',
    ],
    ids=["surrogate", "UTF-8", "number", "NaN", "deep", "cut", "text"],
)
def test_an_app_s_401_that_is_hard_to_read_is_not_taken_for_truto_s_own(body: bytes) -> None:
    with pytest.raises(AccountNeedsReauthError):
        walk(lambda request: httpx.Response(401, content=body))


def test_a_401_longer_than_anybody_reads_is_not_truto_s_own() -> None:
    body = {"raw_response": "x" * (2 << 20), **REMOTE}
    with pytest.raises(UnexpectedAnswerError, match="401"):
        walk(refuse(401, body))
    with pytest.raises(TokenRejectedError):
        walk(refuse(401, {"message": "Unauthorized"}))


@pytest.mark.parametrize(
    ("call", "status"), [(walk_with, 401), (CALLS["List Integrated Accounts"][0], 403)]
)
def test_the_advice_on_the_token_knows_that_another_variable_may_hold_it(
    call: Call, status: int
) -> None:
    with pytest.raises(TrutoError) as caught:
        ask(refuse(status, {"message": "no"}), call)
    assert "TRUTO_API_TOKEN (or the variable that token_variable names)" in caught.value.advice


# A 403 that is a rate limit


RATE_LIMITS: dict[str, httpx.Response] = {
    "Retry-After": httpx.Response(403, headers={"retry-after": "7"}),
    "nothing remains": httpx.Response(403, headers={"ratelimit-remaining": "0"}),
    "nothing remains, told twice": httpx.Response(403, headers={"ratelimit-remaining": "0, 0"}),
    "nothing remains of an app's": httpx.Response(403, headers={"x-ratelimit-remaining": "0"}),
    "insight": httpx.Response(
        403, json={"truto_error_insight": {"rate_limit_error": {"description": "…"}}}
    ),
    "message": httpx.Response(403, json={"message": "API rate limit exceeded for user 1"}),
    "raw response": httpx.Response(403, json={"raw_response": {"code": "rateLimitExceeded"}}),
    "inside a 200": httpx.Response(200, json={"statusCode": 403, "message": "Too many requests"}),
}


@pytest.mark.parametrize("limited", RATE_LIMITS.values(), ids=RATE_LIMITS.keys())
def test_a_403_that_says_that_it_is_a_rate_limit_is_one_of_the_account_alone(
    limited: httpx.Response,
) -> None:
    ends: list[TrutoError] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.params["integrated_account_id"] == "healthy":
            return httpx.Response(200, json={"result": []})
        return httpx.Response(limited.status_code, headers=limited.headers, content=limited.content)

    async def call(client: TrutoClient) -> None:
        for account in ("limited", "healthy", "limited"):
            request = GroupsRequest(account, "okta")
            try:
                await client.walk_groups(request, land=land, stats=SyncStats())
            except TrutoError as error:
                ends.append(error)

    ask(answer, call, retry_seconds=5)
    failed, untried = ends
    assert "failed 1 time" in failed.message
    assert "was not tried" in untried.message
    assert find_permanent_kinds().isdisjoint({failed.kind, untried.kind})


LACKS_A_SCOPE = {
    "truto_is_remote_error": True,
    "truto_error_insight": {"forbidden_error": {"value": {"missing_scopes": ["groups.read"]}}},
}


@pytest.mark.long
def test_a_403_that_is_a_rate_limit_heals() -> None:
    walked = walk(heal_after(httpx.Response(403, headers={"retry-after": "0"})))
    assert (walked.ids, walked.stats.retry_count) == (["1"], 1)


@pytest.mark.parametrize(
    "answer",
    [
        refuse(403, {"message": "Forbidden"}),
        refuse(403, {"message": "Forbidden"}, ratelimit_remaining="12", ratelimit_reset="5"),
        refuse(403, {"message": "Forbidden"}, retry_after="soon"),
        refuse(403, {"message": "The scope rate_limits:read is missing"}),
        refuse(403, LACKS_A_SCOPE, x_ratelimit_limit="0", x_ratelimit_remaining="0"),
        refuse(403, LACKS_A_SCOPE, retry_after="60"),
    ],
    ids=[
        *("plain", "some remain", "no sense", "a scope of that name"),
        *("nothing is allowed without a scope", "a scope that waiting does not give"),
    ],
)
def test_any_other_403_is_for_good(answer: Answer) -> None:
    walked = Walked()
    with pytest.raises(ForbiddenError):
        walk(answer, walked=walked)
    assert walked.stats.request_count == 1


# What is told


def test_who_gives_up_names_the_header_and_the_file_that_remembers(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    throttled = refuse(429, {"message": "Too many"}, retry_after="1800")

    async def run() -> str:
        client = TrutoClient(
            ClientOptions(BASE_URL),
            token="a-token",
            limits=RequestLimits(FileStartLog(path)),
            transport=httpx.MockTransport(throttled),
        )
        async with client:
            with pytest.raises(RetriesExhaustedError) as caught:
                await walk_with(client)
        return str(caught.value)

    for told in ("failed 1 time", "was not tried"):
        text = asyncio.run(run())
        assert told in text
        assert "`Retry-After: 1800`" in text
        assert str(path) in text
        assert "for the token" in text


def test_a_header_that_echoes_the_token_is_told_without_it() -> None:
    date = f"Thu, 01 Jan 2099 00:00:00 GMT {'x' * 60} a-token"
    headers = {"date": "Thu, 01 Jan 2099 00:00:00 GMT", "retry-after": date}
    with pytest.raises(RetriesExhaustedError) as caught:
        walk(lambda request: httpx.Response(429, headers=headers), options={"retry_attempts": 1})
    assert "Retry-After: Thu, 01 Jan 2099" in str(caught.value)
    assert "a-tok" not in str(caught.value)


LONG = "long " * 1000
LENGTHY: dict[str, Any] = {
    "message": {"message": LONG},
    "raw response": {"raw_response": {"text": LONG}},
    "errors": {"errors": [LONG]},
    "insights": {
        "truto_error_insight": {f"missing_required_{n}": {"value": [LONG]} for n in range(100)}
    },
    "names of insights": {"truto_error_insight": {f"missing_required_{LONG}": {"value": []}}},
    "scopes": {"truto_error_insight": {"forbidden_error": {"value": {"missing_scopes": [LONG]}}}},
    "description": {"truto_error_insight": {"other": {"description": {"deep": [LONG]}}}},
}


@pytest.mark.parametrize("body", LENGTHY.values(), ids=LENGTHY.keys())
@pytest.mark.parametrize("status", [200, 403, 503])
def test_a_vendor_s_words_are_told_in_part(body: dict[str, Any], status: int) -> None:
    told = {**body, "statusCode": status if status != 200 else 403}
    with pytest.raises(TrutoError, match=r"long|missing") as caught:
        walk(refuse(status, told), options={"retry_attempts": 1})
    assert len(str(caught.value)) < 2500


def test_a_long_id_and_a_long_media_type_are_told_in_part() -> None:
    groups = [{"id": "x" * 60_000}]
    with pytest.raises(CompletionError) as caught:
        walk(build_partial(refuse(404), groups))
    assert len(str(caught.value)) < 2500
    with pytest.raises(TrutoError) as caught:
        walk(lambda request: httpx.Response(200, headers={"content-type": "x" * 60_000}))
    assert len(str(caught.value)) < 2500


def test_no_cookie_of_an_answer_is_sent_with_another_request() -> None:
    sent: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("cookie"))
        cursor = None if "next_cursor" in request.url.params else "2"
        return httpx.Response(
            200,
            json={"result": [], "next_cursor": cursor},
            headers={"set-cookie": "session=of-this-account; Path=/"},
        )

    walk(answer)
    assert sent == [None, None]


def test_a_page_size_of_the_account_wins_over_the_client_s() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["limit"])
        return httpx.Response(200, json={"result": []})

    walk(answer, options={"page_size": 100}, page_size=25)
    walk(answer, options={"page_size": 100})
    assert asked == ["25", "100"]


def test_what_a_body_says_is_read_in_a_time_that_grows_with_it() -> None:
    """Quotes that never close took time by the square of their number."""
    body = b'{"message": ' + b"[" * 2000 + b'"' + b'\\"' * 30_000
    with pytest.raises(NotFoundError):
        walk(lambda request: httpx.Response(404, content=body))
