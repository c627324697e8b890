"""The client's calls, one answer at a time: the wire is httpx.MockTransport, the rest is real."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import httpx
import pytest

from truto_groups.accounts.model import ListedAccount, Listing
from truto_groups.coordination.files.start_log import FileStartLog
from truto_groups.coordination.seam import Ceiling
from truto_groups.errors import (
    AccountNeedsReauthError,
    BadRequestError,
    CompletionError,
    ConflictError,
    EnvelopeError,
    ForbiddenError,
    MethodNotAllowedError,
    NotFoundError,
    PaginationError,
    RequestRefusedError,
    RetriesExhaustedError,
    SettingsError,
    TokenRejectedError,
    TooManyPagesError,
    TrutoError,
    UnexpectedAnswerError,
    UnprocessableError,
)
from truto_groups.settings.addresses import normalize_base_url
from truto_groups.settings.query import QueryValue
from truto_groups.truto import (
    ClientOptions,
    GroupsRequest,
    TrutoClient,
    encode_query,
    plan_listings,
)
from truto_groups.truto.account_answers import find_groups_support
from truto_groups.truto.limits import RequestLimits
from truto_groups.truto.retry import RetryPolicy, Wish, read_wish, tell_of_rate_limit
from truto_groups.truto.walk import is_completed
from truto_groups.truto.walk_results import CompleteWalk, Page, SyncStats

T = TypeVar("T")
ACCOUNT = "62f44730-dd91-461e-bd6a-aedd9e0ad79d"
BASE_URL = "https://api.truto.example"
Answer = Callable[[httpx.Request], httpx.Response]


def build_client(answer: Answer, **options: Any) -> TrutoClient:
    return TrutoClient(
        ClientOptions(**{"base_url": BASE_URL, **options}),
        token="a-token",
        transport=httpx.MockTransport(answer),
        jitter=lambda: 0.0,
    )


def ask(answer: Answer, call: Callable[[TrutoClient], Awaitable[T]], **options: Any) -> T:
    async def run() -> T:
        async with build_client(answer, **options) as client:
            return await call(client)

    return asyncio.run(run())


@dataclass
class Walked:
    """What a walk handed on and cost, also when it failed."""

    pages: list[Page] = field(default_factory=list[Page])
    stats: SyncStats = field(default_factory=SyncStats)

    @property
    def ids(self) -> list[Any]:
        return [group.get("id") for page in self.pages for group in json.loads(page.records)]


def walk(
    answer: Answer, *, walked: Walked | None = None, options: Any = None, **request: Any
) -> Walked:
    walked = walked or Walked()

    async def land(page: Page) -> None:
        walked.pages.append(page)

    async def call(client: TrutoClient) -> CompleteWalk:
        asked = GroupsRequest(
            **{"integrated_account_id": ACCOUNT, "integration": "okta", **request}
        )
        return await client.walk_groups(asked, land=land, stats=walked.stats)

    complete = ask(answer, call, **(options or {}))
    assert complete.page_count == len(walked.pages)
    return walked


def build_listing(pages: Mapping[str, Any]) -> tuple[Answer, list[list[tuple[str, str]]]]:
    """Serve pages by cursor and keep the query of every request."""
    asked: list[list[tuple[str, str]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        query = parse_qsl(request.url.query.decode())
        asked.append(query)
        return httpx.Response(200, json=pages[dict(query).get("next_cursor", "")])

    return answer, asked


def refuse(status: int, body: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda request: httpx.Response(status, json=body or {}, headers=named)


# What is sent


def test_every_page_is_asked_with_the_same_query_and_its_cursor() -> None:
    answer, asked = build_listing(
        {"": {"result": [{"id": "1"}], "next_cursor": "a/b+c="}, "a/b+c=": {"result": []}}
    )
    query: dict[str, QueryValue] = {
        "truto_ignore_remote_data": True,
        "remote_query": {"a": {"b": 1}},
    }
    assert walk(answer, query=query, options={"page_size": 7}).ids == ["1"]
    first = [
        ("truto_ignore_remote_data", "true"),
        ("remote_query[a][b]", "1"),
        ("integrated_account_id", ACCOUNT),
        ("limit", "7"),
    ]
    assert asked == [first, [*first, ("next_cursor", "a/b+c=")]]


def test_a_query_can_lead_neither_to_another_account_nor_into_the_middle() -> None:
    answer, asked = build_listing({"": {"result": []}})
    walk(answer, query={"integrated_account_id": "another", "limit": 1, "next_cursor": "x"})
    assert dict(asked[0]) == {"integrated_account_id": ACCOUNT, "limit": "100"}


def test_requests_carry_the_token_and_the_product() -> None:
    headers: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        headers.append(request.headers)
        return httpx.Response(200, json={"result": []})

    walk(answer)
    assert headers[0]["authorization"] == "Bearer a-token"
    assert headers[0]["user-agent"].startswith("truto-groups/")
    assert "gzip" in headers[0]["accept-encoding"]


@pytest.mark.parametrize(
    ("query", "encoded"),
    [
        ({"is_group": True, "truto_ignore_limit": False}, "is_group=true&truto_ignore_limit=false"),
        ({"name": "R&D ä/b"}, "name=R%26D%20%C3%A4%2Fb"),
        ({"truto_exclude_fields": ["a", "b"]}, "truto_exclude_fields[]=a&truto_exclude_fields[]=b"),
        ({"truto_exclude_fields": "a"}, "truto_exclude_fields[]=a"),
        ({"created_at": {"gt": "2025-01-31"}}, "created_at[gt]=2025-01-31"),
        ({"or": [{"name": "a"}, {"name": "b"}]}, "or[][name]=a&or[][name]=b"),
        ({"remote_query": {"tags": ["x", "y"]}}, "remote_query[tags][]=x&remote_query[tags][]=y"),
        ({"name": None, "limit": 5}, "limit=5"),
        ({}, ""),
    ],
    ids=[
        "booleans",
        "text",
        "array",
        "lone array",
        "operator",
        "objects",
        "nested",
        "none",
        "empty",
    ],
)
def test_a_query_is_written_as_truto_reads_it(query: dict[str, object], encoded: str) -> None:
    assert encode_query(query) == encoded.replace("[", "%5B").replace("]", "%5D")


def test_a_list_of_values_is_one_listing_each() -> None:
    query: dict[str, QueryValue] = {
        "organization_id": ["1", "2", "1"],
        "group_type": ["team", "group"],
        "truto_exclude_fields": ["description", "name"],
    }
    rest = {"truto_exclude_fields": ["description", "name"]}
    assert plan_listings(query) == [
        {"organization_id": organization, "group_type": kind, **rest}
        for organization in ("1", "2")
        for kind in ("team", "group")
    ]
    assert plan_listings({}) == [{}]


def test_an_empty_list_of_values_is_refused_instead_of_listing_nothing() -> None:
    with pytest.raises(SettingsError, match="organization_id has an empty list"):
        walk(refuse(500), query={"organization_id": []})


def test_the_listings_of_a_fan_out_are_united_and_their_pages_numbered_in_one_row() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        organization = request.url.params["organization_id"]
        cursor = request.url.params.get("next_cursor")
        groups = [{"id": f"{organization}{cursor or ''}"}]
        return httpx.Response(
            200, json={"result": groups, "next_cursor": None if cursor else "same"}
        )

    walked = walk(answer, query={"organization_id": ["1", "2", "3"]})
    assert sorted(walked.ids) == ["1", "1same", "2", "2same", "3", "3same"]
    assert [page.number for page in walked.pages] == [1, 2, 3, 4, 5, 6]
    assert walked.stats.request_count == 6


def test_the_page_limit_counts_over_all_listings() -> None:
    answer, _ = build_listing({"": {"result": []}})
    with pytest.raises(TooManyPagesError, match="more than the 2 pages"):
        walk(answer, query={"organization_id": ["1", "2", "3"]}, max_pages=2)


# What is understood


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ('{"result": [ {"id" : 1e2} ]}', '[ {"id" : 1e2} ]'),
        ('{"results":[{"id":"1"}]}', '[{"id":"1"}]'),
        ('{"result":{"a":{"id": 1},"b":{"id":2}}}', '[{"id": 1},{"id":2}]'),
        ('{"result":{}}', "[]"),
        (r'{"result":[{"name":"\\ud83d \ud83d\ude00"}]}', r'[{"name":"\\ud83d \ud83d\ude00"}]'),
    ],
    ids=["verbatim", "results", "keyed", "nothing keyed", "a whole emoji"],
)
def test_records_are_handed_on_as_received(text: str, records: str) -> None:
    walked = walk(lambda request: httpx.Response(200, text=text))
    assert walked.pages == [Page(1, records, len(text))]
    assert walked.stats == SyncStats(request_count=1, byte_count=len(text))


def test_half_a_character_is_told_and_never_replaced() -> None:
    text = r'{"result":[{"name":"cut \ud83d"}]}'
    with pytest.raises(EnvelopeError, match="half a character"):
        walk(lambda request: httpx.Response(200, text=text))


@pytest.mark.parametrize(
    "body",
    [
        b'{"result":[{"id":"\xff"}]}',
        b'{"result":[],"next_cursor":"\xff"}',
        b'{"result":[],"errors":{"\xff":1e999}, "\xff":1',
        b'{"result":' + b"[" * 5000,
        b'{"result":[]} trailing',
        b"\x00",
    ],
    ids=["no UTF-8", "cursor", "name", "too deep", "trailing", "binary"],
)
def test_what_is_no_json_is_told_without_its_content(body: bytes) -> None:
    with pytest.raises(EnvelopeError, match=f"{len(body)} bytes") as caught:
        walk(lambda request: httpx.Response(200, content=body))
    assert "trailing " not in caught.value.message.replace("trailing characters", "")


def test_the_cursor_of_the_debug_format_is_followed_and_its_secrets_are_not_handed_on() -> None:
    debug = {"nextCursor": "d", "requestOptions": {"headers": {"authorization": "vendor"}}}
    answer, _ = build_listing(
        {"": {"result": [{"id": "1"}], "debug": debug}, "d": {"result": [], "debug": None}}
    )
    walked = walk(answer)
    assert walked.ids == ["1"]
    assert "vendor" not in repr(walked)


def test_an_explicit_end_wins_over_the_debug_cursor() -> None:
    answer, _ = build_listing(
        {"": {"result": [], "next_cursor": None, "debug": {"nextCursor": "vendor-2"}}}
    )
    assert len(walk(answer).pages) == 1


def test_a_cursor_too_long_for_a_url_is_told() -> None:
    answer, _ = build_listing({"": {"result": [], "next_cursor": "x" * 70_000}})
    with pytest.raises(EnvelopeError, match="too long"):
        walk(answer)


def test_only_the_end_of_a_walk_makes_the_proof_of_it() -> None:
    with pytest.raises(TypeError):
        CompleteWalk(object(), page_count=1, stats=SyncStats())


def test_a_page_that_cannot_be_landed_ends_the_walk() -> None:
    async def land(page: Page) -> None:
        raise OSError("the disk is full")

    answer, asked = build_listing({"": {"result": [], "next_cursor": "a"}})
    with pytest.raises(OSError, match="full"):
        ask(
            answer,
            lambda client: client.walk_groups(
                GroupsRequest(ACCOUNT, "okta"), land=land, stats=SyncStats()
            ),
        )
    assert len(asked) == 1


# What is refused


@pytest.mark.parametrize(
    ("status", "body", "error", "told"),
    [
        (
            400,
            {
                "truto_error_insight": {
                    "missing_required_query_parameters": {
                        "description": "…",
                        "value": ["organization_id", "user_id"],
                    }
                }
            },
            BadRequestError,
            "missing query parameters: organization_id, user_id",
        ),
        (401, {"message": "Unauthorized"}, TokenRejectedError, "TRUTO_API_TOKEN"),
        (401, {"truto_is_remote_error": True}, AccountNeedsReauthError, "reconnect"),
        (
            403,
            {
                "truto_is_remote_error": True,
                "truto_error_insight": {
                    "forbidden_error": {"value": {"missing_scopes": ["groups.read"]}}
                },
            },
            ForbiddenError,
            "missing scopes: groups.read",
        ),
        (404, {"message": "No such account"}, NotFoundError, "No such account"),
        (405, {}, MethodNotAllowedError, "skip: true"),
        (409, {}, ConflictError, "dashboard"),
        (410, {}, RequestRefusedError, "410"),
        (
            422,
            {"message": "", "raw_response": {"errors": ["bad field"]}},
            UnprocessableError,
            "bad field",
        ),
        (501, {}, UnexpectedAnswerError, "501"),
        (304, {}, UnexpectedAnswerError, "304"),
    ],
    ids=["400", "token 401", "app 401", "403", "404", "405", "409", "410", "422", "501", "304"],
)
def test_a_refusal_is_told_from_truto_s_own_words_and_not_tried_again(
    status: int, body: Any, error: type[TrutoError], told: str
) -> None:
    walked = Walked()
    with pytest.raises(TrutoError) as caught:
        walk(refuse(status, body), walked=walked)
    assert type(caught.value) is error
    assert told in str(caught.value)
    assert (ACCOUNT in caught.value.message) is (error is not TokenRejectedError)
    assert caught.value.advice
    assert "\n" not in str(caught.value)
    assert walked.stats.request_count == 1


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 422])
def test_a_refused_listing_of_the_accounts_gives_no_advice_on_a_single_account(
    status: int,
) -> None:
    with pytest.raises(TrutoError, match="base URL") as caught:
        ask(refuse(status), lambda client: client.list_integrated_accounts())
    assert caught.value.integrated_account_id is None
    assert "skip" not in str(caught.value)


def test_a_raw_response_is_told_only_in_part() -> None:
    with pytest.raises(UnprocessableError) as caught:
        walk(refuse(422, {"message": "", "raw_response": "x" * 5000}))
    assert len(str(caught.value)) < 700


def test_a_rejected_token_wins_over_what_fails_beside_it() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        status = 401 if request.url.params["organization_id"] == "3" else 404
        return httpx.Response(status, json={})

    with pytest.raises(TokenRejectedError):
        walk(answer, query={"organization_id": ["1", "2", "3"]})


def test_a_blocked_account_is_told_as_blocked() -> None:
    with pytest.raises(RetriesExhaustedError, match="support"):
        walk(refuse(503, {"message": "Account is blocked"}), options={"retry_attempts": 2})


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, {"truto_is_remote_error": True, "message": "Blocked for 10 minutes: slow down"}),
        (503, {"truto_is_remote_error": True, "message": "Unblocked at 10:00"}),
        (502, {"message": "The upstream request was blocked"}),
    ],
)
def test_a_block_that_is_not_of_the_account_at_truto_is_left_to_the_next_sync(
    status: int, body: dict[str, Any]
) -> None:
    with pytest.raises(RetriesExhaustedError, match="next sync tries again") as caught:
        walk(refuse(status, body), options={"retry_attempts": 1})
    assert "support" not in caught.value.advice


# Retries


def test_attempts_and_retries_are_counted() -> None:
    walked = Walked()
    with pytest.raises(RetriesExhaustedError, match="failed 3 times") as caught:
        walk(refuse(502), walked=walked, options={"retry_attempts": 3})
    assert (walked.stats.request_count, walked.stats.retry_count) == (3, 2)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "answer",
    [
        refuse(429, retry_after="3600"),
        refuse(503, retry_after="3600"),
        refuse(429, ratelimit_reset="3600"),
        refuse(429, retry_after="1", ratelimit_reset="3600"),
        refuse(
            429, retry_after=format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        ),
    ],
    ids=["429", "503", "reset", "the longer", "a date"],
)
def test_a_wait_beyond_the_budget_fails_at_once(answer: Answer) -> None:
    walked = Walked()
    with pytest.raises(RetriesExhaustedError, match="retry_seconds"):
        walk(answer, walked=walked)
    assert walked.stats.request_count == 1


def test_others_do_not_wait_out_a_pause_beyond_the_budget_either() -> None:
    throttled = {"truto_is_remote_error": True}
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["integrated_account_id"])
        if asked[-1] == "b":
            return httpx.Response(200, json={"result": []})
        return httpx.Response(429, json=throttled, headers={"retry-after": "3600"})

    async def land(page: Page) -> None:
        pass

    async def call(client: TrutoClient) -> list[str]:
        ends: list[str] = []
        for account in ("a", "a", "b"):
            try:
                request = GroupsRequest(account, "okta")
                await client.walk_groups(request, land=land, stats=SyncStats())
            except RetriesExhaustedError as error:
                ends.append(error.message)
        return ends

    ends = ask(answer, call)
    assert asked == ["a", "b"]
    assert "was not tried" in ends[1]


def test_a_pause_of_another_process_fails_the_request_that_cannot_wait_for_it(
    tmp_path: Path,
) -> None:
    async def run() -> str:
        path = tmp_path / "limits"
        with RequestLimits(FileStartLog(path)) as other:
            await other.slow_down(Ceiling("token", 500), seconds=3600)
        options = ClientOptions("https://api.example", retry_seconds=10)
        transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"result": []}))
        client = TrutoClient(
            options, token="a-token", limits=RequestLimits(FileStartLog(path)), transport=transport
        )
        async with client:
            with pytest.raises(RetriesExhaustedError) as error:
                await asyncio.wait_for(client.list_integrated_accounts(), 5)
        return error.value.message

    message = asyncio.run(run())
    assert "was not tried" in message
    assert "asked to wait 3600 s" in message


NOW = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = 1767225600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("retry-after: 7", 7),
        ("retry-after: 7.5", 7.5),
        ("retry-after: 0", 0),
        ("retry-after: 3601", 3600),
        ("retry-after: 86400", 3600),
        ("retry-after: 5, 10", 10),
        ("retry-after: Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("retry-after: Thu, 01 Jan 2026 09:00:30 GMT", 3600),
        ("retry-after: Wed, 31 Dec 2025 00:00:00 GMT", 0),
        (f"retry-after: 5, {EPOCH}", 5),
        ("ratelimit-reset: 7", 7),
        ("ratelimit-reset: 30, 30", 30),
        (f"x-ratelimit-reset: {EPOCH}, 30", 30),
        ("x-ratelimit-reset: 7", 7),
        ("x-rate-limit-reset: 7200", 3600),
    ],
)
def test_the_server_s_wish_is_read_and_never_longer_than_an_hour(
    header: str, seconds: float
) -> None:
    name, text = header.split(": ")
    wish = read_wish([(name, text)], is_throttled=True, now=NOW)
    shown = header.replace("retry-after", "Retry-After")
    assert wish == Wish(seconds, shown)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "-5",
            "nan",
            "inf",
            "1e3",
            "0x10",
            "\u0664\u0665",
            "soon",
            "5 s",
            "5, soon",
            ",",
        ),
        *(str(EPOCH + 5), f"{EPOCH + 5}000", f"{EPOCH + 5}000000", "9" * 400, "5000000"),
        "Thu, 01 Jan 99999999999 00:00:00 GMT",
        "Thu, 01 Jan 2026 00:00:30 +99999999999999999999",
        "Mon, 01 Jan 0101 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2300",
        "Thu, 99 Jan 2026 00:00:30 GMT",
        "\xff\x00",
    ],
)
@pytest.mark.parametrize("name", ["retry-after", "ratelimit-reset", "x-ratelimit-reset"])
def test_a_header_without_sense_is_none(name: str, text: str) -> None:
    assert read_wish([(name, text)], is_throttled=False, now=NOW) is None
    assert read_wish([(name, text)], is_throttled=True, now=NOW) == Wish(10)
    assert not tell_of_rate_limit([(name, text)], now=NOW)


def test_a_date_is_read_by_the_clock_of_whoever_wrote_it() -> None:
    ahead = [
        ("date", "nonsense"),
        ("date", "Thu, 01 Jan 2026 01:00:00 GMT"),
        ("retry-after", "Thu, 01 Jan 2026 01:00:05 GMT"),
    ]
    wish = read_wish(ahead, is_throttled=True, now=NOW)
    assert wish == Wish(5, "Retry-After: Thu, 01 Jan 2026 01:00:05 GMT")


def test_the_longest_of_several_wishes_holds_and_a_reset_only_where_throttled() -> None:
    headers = [("retry-after", "3"), ("retry-after", "x"), ("ratelimit-reset", "7")]
    assert read_wish(headers, is_throttled=True, now=NOW) == Wish(7, "ratelimit-reset: 7")
    assert read_wish(headers, is_throttled=False, now=NOW) == Wish(3, "Retry-After: 3")


def test_backoff_doubles_with_full_jitter_and_never_undercuts_the_server() -> None:
    policy = RetryPolicy(10, 1000, jitter=lambda: 1.0)
    waits = [
        policy.find_wait(attempt=n, elapsed_seconds=0, asked_seconds=None) for n in range(1, 11)
    ]
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, None]
    lucky = RetryPolicy(10, 1000, jitter=lambda: 0.0)
    assert lucky.find_wait(attempt=5, elapsed_seconds=0, asked_seconds=None) == 0
    assert lucky.find_wait(attempt=5, elapsed_seconds=0, asked_seconds=12) == 12
    assert [
        lucky.find_wait(attempt=n, elapsed_seconds=0, asked_seconds=0) for n in range(1, 6)
    ] == [0.5, 1, 2, 4, 8]
    assert policy.find_wait(attempt=5, elapsed_seconds=0, asked_seconds=12) == 13
    assert policy.find_wait(attempt=5, elapsed_seconds=995, asked_seconds=12) is None


# Partial answers


@pytest.mark.parametrize(
    ("integration", "complete", "is_always"),
    [
        ("15five", "auto", True),
        ("15Five", "auto", True),
        ("15-five", "auto", True),
        ("jfrog", "auto", True),
        ("okta", "auto", False),
        ("okta", "always", True),
        ("jfrog", "never", False),
    ],
)
def test_which_integrations_are_completed(
    integration: str, complete: Any, *, is_always: bool
) -> None:
    assert is_completed(integration, complete) is is_always


def build_partial(get: Answer, groups: list[Any], *, is_partial: bool = True) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/groups"):
            page = {"result": groups, "is_partial_response": is_partial}
            return httpx.Response(200, json=page)
        return get(request)

    return answer


def test_completion_hands_on_the_whole_groups_verbatim_in_the_order_of_the_page() -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def get(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().split("?")[0].rsplit("/", 1)[1]
        asked.append((path, dict(request.url.params)))
        ids = {
            "a%2F..%2Fb": '"a/../b"',
            "%2E%2E": '".."',
            "12345678901234567890": "12345678901234567890",
        }
        return httpx.Response(200, text=f'{{"id": {ids[path]}, "whole": 1.0}}\n')

    groups = [{"id": "a/../b"}, {"id": ".."}, {"id": 12345678901234567890}]
    walked = walk(build_partial(get, groups), query={"truto_ignore_remote_data": True})
    assert walked.pages[0].records == (
        '[{"id": "a/../b", "whole": 1.0},{"id": "..", "whole": 1.0},'
        '{"id": 12345678901234567890, "whole": 1.0}]'
    )
    assert all(
        query == {"integrated_account_id": ACCOUNT, "truto_ignore_remote_data": "true"}
        for _, query in asked
    )
    assert walked.stats.request_count == 4


def test_never_takes_a_partial_answer_as_it_is() -> None:
    walked = walk(build_partial(refuse(500), [{"id": "1"}]), complete="never", integration="jfrog")
    assert walked.ids == ["1"]


def test_always_completes_what_does_not_say_that_it_is_partial() -> None:
    get = refuse(200, {"id": "1", "name": "whole"})
    walked = walk(build_partial(get, [{"id": "1"}], is_partial=False), complete="always")
    assert json.loads(walked.pages[0].records) == [{"id": "1", "name": "whole"}]


@pytest.mark.long
@pytest.mark.parametrize(
    ("get", "groups"),
    [
        (refuse(404), [{"id": "1"}]),
        (refuse(500), [{"id": "1"}]),
        (refuse(200, {"id": "2"}), [{"id": "1"}]),
        (refuse(200, {"name": "x"}), [{"id": "1"}]),
        (refuse(200, [{"id": "1"}]), [{"id": "1"}]),
        (refuse(200, {"id": "1"}), [{"id": "1"}, {"name": "no id"}]),
        (refuse(200, {"id": "1"}), [{"id": ""}]),
        (refuse(200, {"id": "1"}), [{"id": True}]),
        (refuse(200, {"id": "1"}), ["1"]),
    ],
    ids=["404", "500", "another", "no id", "array", "no id in list", "empty", "boolean", "text"],
)
def test_a_completion_that_fails_fails_the_sync(get: Answer, groups: list[Any]) -> None:
    walked = Walked()
    with pytest.raises(CompletionError, match=ACCOUNT):
        walk(build_partial(get, groups), walked=walked, options={"retry_attempts": 2})
    assert walked.pages == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {}, TokenRejectedError),
        (401, {"truto_is_remote_error": True}, AccountNeedsReauthError),
        (403, {}, ForbiddenError),
        (405, {}, MethodNotAllowedError),
    ],
)
def test_a_completion_refused_for_good_keeps_its_own_error(
    status: int, body: Any, error: type[TrutoError]
) -> None:
    with pytest.raises(error, match=r"Get Group '1'|TRUTO_API_TOKEN"):
        walk(build_partial(refuse(status, body), [{"id": "1"}, {"id": "2"}]))


# Redirects


@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example/x",
        "http://api.truto.example/x",
        "https://api.truto.example:444/",
        "//elsewhere.example/x",
        "https://user:pw@api.truto.example/x",
        "https://[",
        "https://xn--/",
        "//[",
        "https://a:99999999/",
    ],
    ids=[
        *("host", "scheme", "port", "protocol-relative", "credentials", "nonsense"),
        *("no name", "no address", "no port"),
    ],
)
def test_a_redirect_elsewhere_is_refused(location: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(302, headers={"location": location})

    with pytest.raises(TrutoError) as caught:
        walk(answer)
    assert type(caught.value).__name__ == "RedirectRefusedError"
    assert asked == ["api.truto.example"]


def test_a_redirect_on_the_same_server_is_followed_five_times_and_no_more() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        hops = int(request.url.params.get("hops", "0"))
        if hops == int(request.url.params.get("organization_id", "5")):
            return httpx.Response(200, json={"result": []})
        query = {**request.url.params, "hops": hops + 1}
        return httpx.Response(307, headers={"location": f"/there?{httpx.QueryParams(query)}"})

    assert walk(answer).stats.request_count == 6
    with pytest.raises(TrutoError, match="again and again"):
        walk(answer, query={"organization_id": "6"})


# Integrated accounts


def build_account(**changes: Any) -> dict[str, Any]:
    return {
        "id": ACCOUNT,
        "tenant_id": "acme",
        "status": "active",
        "integration": {"id": "x", "name": "okta", "category": "directory"},
        "is_sandbox": True,
        "last_error": None,
        "created_at": "2023-06-16T09:21:21.000Z",
        "updated_at": "2024-09-01 10:00:00",
        "context": {"subdomain": "acme"},
        **changes,
    }


def test_accounts_are_listed_over_all_pages_once_each() -> None:
    answer, asked = build_listing(
        {
            "": {"results": [build_account(), build_account(id="b")], "next_cursor": "2"},
            "2": {"result": [build_account(id="b", status="needs_reauth")], "next_cursor": "3"},
            "3": {"result": []},
        }
    )
    listing = ask(answer, lambda client: client.list_integrated_accounts())
    assert [(account.id, account.status) for account in listing.accounts] == [
        (ACCOUNT, "active"),
        ("b", "needs_reauth"),
    ]
    assert listing.unreadable == ()
    assert listing.accounts[0] == ListedAccount(
        id=ACCOUNT,
        integration="okta",
        status="active",
        tenant_id="acme",
        is_sandbox=True,
        created_at=datetime(2023, 6, 16, 9, 21, 21, tzinfo=UTC),
        updated_at=datetime(2024, 9, 1, 10, 0, tzinfo=UTC),
    )
    assert [dict(query).get("next_cursor") for query in asked] == [None, "2", "3"]


def test_an_empty_listing_is_a_list() -> None:
    answer, _ = build_listing({"": {"result": []}})
    assert ask(answer, lambda client: client.list_integrated_accounts()) == Listing(())


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ({"next_cursor": None}, EnvelopeError),
        ({"result": None}, EnvelopeError),
        ({"result": "none"}, EnvelopeError),
        ({"result": [build_account()], "next_cursor": "again"}, PaginationError),
    ],
    ids=["missing", "null", "text", "looping"],
)
def test_a_listing_that_is_not_whole_is_an_error(page: Any, error: type[TrutoError]) -> None:
    answer, _ = build_listing({"": page, "again": {"result": [], "next_cursor": "again"}})
    with pytest.raises(error):
        ask(answer, lambda client: client.list_integrated_accounts())


def test_a_listing_that_breaks_off_is_an_error() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "next_cursor" in request.url.params:
            return httpx.Response(500)
        return httpx.Response(200, json={"result": [build_account()], "next_cursor": "2"})

    with pytest.raises(RetriesExhaustedError, match="page 2"):
        ask(answer, lambda client: client.list_integrated_accounts(), retry_attempts=2)


def test_oddities_of_an_account_do_not_cost_the_listing() -> None:
    odd = build_account(
        tenant_id=7,
        integration=None,
        environment_integration={"integration": {"name": "jira"}},
        is_sandbox=None,
        last_error={"code": 1},
        created_at="2024-09-01T12:00:00+02:00",
        updated_at="yesterday",
    )
    account = ask(refuse(200, odd), lambda client: client.get_integrated_account(ACCOUNT))
    assert (account.tenant_id, account.integration, account.is_sandbox) == ("7", "jira", False)
    assert account.last_error == '{"code":1}'
    assert account.created_at == datetime(2024, 9, 1, 10, tzinfo=UTC)
    assert account.created_at is not None
    assert account.created_at.tzinfo == UTC
    assert account.updated_at is None


def test_the_digest_of_an_override_changes_only_with_its_content() -> None:
    def digest(override: Any) -> str | None:
        answer = refuse(200, build_account(unified_model_override=override))
        return ask(answer, lambda client: client.get_integrated_account(ACCOUNT)).override_digest

    assert digest(None) is None
    assert digest({}) is None
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1, "b": 2}) != digest({"a": 1, "b": 3})


def test_another_account_than_the_one_asked_for_is_an_error() -> None:
    with pytest.raises(EnvelopeError, match="another account"):
        ask(
            refuse(200, build_account(id="other")),
            lambda client: client.get_integrated_account(ACCOUNT),
        )


ENTRY = {"model": "user-directory", "resource": "groups", "methods": ["list", "get"]}


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"unified": [ENTRY]}, True),
        ({"unified": [{**ENTRY, "methods": ["get"]}]}, False),
        ({"unified": [{**ENTRY, "model": "ticketing"}]}, False),
        ({"unified": []}, False),
        ({"unified": {"resources": [{"name": "groups", "methods": [{"name": "list"}]}]}}, True),
        (
            {
                "unified": {
                    "user-directory": {"resources": [{"name": "groups", "methods": ["list"]}]}
                }
            },
            True,
        ),
        (
            {"unified": {"ticketing": {"resources": [{"name": "groups", "methods": ["list"]}]}}},
            False,
        ),
        ({"unified": {"resources": []}}, False),
        ({"proxy": {}}, None),
        ({"unified": None}, None),
        ({"unified": {}}, None),
        ({"unified": {"user-directory": {}}}, None),
        ({"unified": ["groups"]}, None),
        ({"unified": [{**ENTRY, "methods": [{"name": "List groups", "method": "list"}]}]}, True),
        ({"unified": [{**ENTRY, "methods": [{"name": "list", "method": "GET"}]}]}, True),
        ({"unified": [{**ENTRY, "methods": ["List"]}]}, True),
        ({"unified": [{"resource": "user-directory/groups", "methods": ["list"]}]}, True),
        ({"unified": [{**ENTRY, "methods": [{"name": "List groups"}]}]}, None),
        ({"unified": [{**ENTRY, "methods": ["get", {"list": {}}]}]}, None),
        ({"unified": [{**ENTRY, "model": {"name": "user-directory"}}]}, None),
    ],
)
def test_capabilities_tell_whether_there_are_groups(
    capabilities: dict[str, object], expected: bool | None
) -> None:
    assert find_groups_support(capabilities) is expected


def test_capabilities_are_asked_for_by_account() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(200, json={"unified": [ENTRY]})

    assert ask(answer, lambda client: client.supports_groups(ACCOUNT)) is True
    assert paths == [f"/integrated-account/{ACCOUNT}/capabilities?type=unified&resource=groups"]
    assert ask(refuse(404), lambda client: client.supports_groups(ACCOUNT)) is None


def test_the_declared_contract_is_read_as_it_is() -> None:
    contract = {"method": "list", "query_schema": {"organization_id": {"required": True}}}

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/unified/user-directory/groups/asana/meta/list"
        return httpx.Response(200, json=contract)

    assert ask(answer, lambda client: client.read_declared_contract("asana")) == contract


# Options


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.truto.one",
        "http://10.0.0.1",
        "http://localhost.evil.example",
        "ftp://x",
        "x",
        "",
        "https://",
        "https://user:pw@api.truto.one",
        "https://api.truto.one?x=1",
        "http://[::2]",
        "https://api.truto.one:port",
    ],
)
def test_a_base_url_that_is_unsafe_or_no_url_is_refused(base_url: str) -> None:
    with pytest.raises(SettingsError, match="TRUTO_BASE_URL"):
        ClientOptions(base_url)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.truto.one",
        "http://localhost:1",
        "http://127.0.0.1:8790/",
        "http://127.9.9.9",
        "http://[::1]:8790",
        "https://proxy.example/truto/",
    ],
)
def test_https_and_loopback_are_accepted(base_url: str) -> None:
    assert ClientOptions(base_url).base_url == base_url.rstrip("/")


@pytest.mark.parametrize(
    ("base_url", "is_this_machine"),
    [
        ("http://LocalHost:1", True),
        ("http://[::1]:80", True),
        ("https://[::ffff:127.0.0.1]", False),
        ("HTTPS://API.truto.one:443/", False),
    ],
)
def test_a_base_url_is_read_as_the_settings_read_it(base_url: str, is_this_machine: bool) -> None:
    options = ClientOptions(base_url)
    assert options.base_url == normalize_base_url(base_url)
    assert options.is_loopback is is_this_machine
