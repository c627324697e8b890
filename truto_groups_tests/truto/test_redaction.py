"""The token reaches no log, error or repr, also where a server echoes it: real HTTP on loopback."""

import asyncio
import logging
import traceback
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import pytest

from truto_groups.accounts.model import ListedAccount
from truto_groups.errors import SettingsError, TrutoError
from truto_groups.truto import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.truto.walk_results import Page, SyncStats
from truto_groups_tests.truto.scripted_server import (
    Asked,
    Reply,
    ScriptedServer,
    reply_json,
    run_server,
)

TOKEN = "Zk9+sekrit/0d3f=="
FORMS = (TOKEN, quote(TOKEN, safe=""), quote(TOKEN))
REMOTE = {"truto_is_remote_error": True, "raw_response": {"sent": f"Bearer {TOKEN}"}}

ECHOES: dict[str, Reply] = {
    "message": reply_json({"message": f"bad token {TOKEN}"}, status=401),
    "message of the app": reply_json({**REMOTE, "message": TOKEN}, status=401),
    "raw response": reply_json({**REMOTE, "message": ""}, status=422),
    "insight": reply_json(
        {"truto_error_insight": {"forbidden_error": {"value": {"missing_scopes": [TOKEN]}}}},
        status=403,
    ),
    "retried": reply_json({"message": TOKEN}, status=500),
    "throttled": reply_json({"message": TOKEN}, status=429, retry_after="0"),
    "HTML": Reply(f"<p>{TOKEN}</p>".encode(), headers={"content-type": f"text/{TOKEN}"}),
    "cut inside the message": reply_json({"message": "x" * 490 + TOKEN}, status=403),
    "cut inside the app's words": reply_json({"raw_response": "x" * 185 + TOKEN}, status=403),
    "cut inside an insight": reply_json(
        {"truto_error_insight": {"other": {"description": "x" * 185 + TOKEN}}}, status=403
    ),
    "header": reply_json({}, status=404, x_echo=f"Bearer {TOKEN}"),
    "redirect": Reply(status=302, headers={"location": f"http://127.0.0.2/?token={TOKEN}"}),
    "redirect here": Reply(status=302, headers={"location": f"/?token={quote(TOKEN, safe='')}"}),
    "broken off": Reply(TOKEN.encode(), missing_bytes=9),
    "broken compression": Reply(TOKEN.encode(), headers={"content-encoding": "gzip"}),
    "cursor": reply_json({"result": [], "next_cursor": TOKEN}),
    "partial without it": reply_json({"result": [{"id": TOKEN}], "is_partial_response": True}),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with run_server() as running:
        yield running


async def land(page: Page) -> None:
    pass


def wait_not() -> float:
    return 0.0


async def walk(base_url: str) -> None:
    options = ClientOptions(base_url, retry_attempts=2)
    async with TrutoClient(options, token=TOKEN, jitter=wait_not) as client:
        request = GroupsRequest("account-1", "okta")
        await client.walk_groups(request, land=land, stats=SyncStats())


def assert_hidden(*texts: str) -> None:
    for text in texts:
        for form in FORMS:
            assert form not in text


@pytest.mark.long
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES.keys())
def test_an_echoed_token_is_in_no_error_and_no_log(
    server: ScriptedServer, echo: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer = lambda asked: echo
    with pytest.raises(TrutoError) as caught:
        asyncio.run(walk(server.base_url))
    error = caught.value
    assert_hidden(str(error), repr(error), repr(vars(error)), caplog.text)
    assert_hidden("".join(traceback.format_exception(error)))
    assert TOKEN[:8] not in str(error)
    chained: list[BaseException] = [error]
    while (chain := chained[-1].__cause__ or chained[-1].__context__) is not None:
        chained.append(chain)
    assert not any(hasattr(one, "request") for one in chained)
    assert "httpcore" in {record.name.split(".")[0] for record in caplog.records}


def test_a_refused_connection_tells_where_to_and_no_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(TrutoError, match=r"no connection to 127\.0\.0\.1") as caught:
        asyncio.run(walk("http://127.0.0.1:1"))
    assert "Check TRUTO_BASE_URL" in caught.value.advice
    assert_hidden(str(caught.value), caplog.text)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_successful_walk_logs_one_line_a_page_and_no_token(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="truto_groups")  # which dagster.yaml may have raised
    page = {"result": [{"id": "1", "remote_data": {"email": "ada@example.com"}}]}

    def answer(asked: Asked) -> Reply:
        cursor = None if "next_cursor" in asked.query else "2"
        return reply_json({**page, "next_cursor": cursor}, x_echo=TOKEN)

    server.answer = answer
    asyncio.run(walk(server.base_url))
    ours = [record for record in caplog.records if record.name.startswith("truto_groups")]
    assert [record.levelname for record in ours] == ["DEBUG", "DEBUG"]
    assert all("account-1" in record.getMessage() for record in ours)
    assert "ada@example.com" not in caplog.text
    assert_hidden(caplog.text)


def test_the_log_filters_go_with_the_client(server: ScriptedServer) -> None:
    server.answer = lambda asked: reply_json({"result": []})
    before = list(logging.getLogger("httpcore.http11").filters)
    asyncio.run(walk(server.base_url))
    assert logging.getLogger("httpcore.http11").filters == before


def test_no_repr_shows_the_token() -> None:
    async def run() -> None:
        client = TrutoClient(ClientOptions("https://api.truto.example"), token=TOKEN)
        async with client:
            assert_hidden(repr(client), repr(vars(client)), str(client))

    asyncio.run(run())


def test_what_truto_says_of_an_account_is_redacted(server: ScriptedServer) -> None:
    account = {"id": "1", "status": "needs_reauth", "last_error": f"Bearer {TOKEN} refused"}
    server.answer = lambda asked: reply_json({"result": [account]})

    async def run() -> Sequence[ListedAccount]:
        async with TrutoClient(ClientOptions(server.base_url), token=TOKEN) as client:
            return (await client.list_integrated_accounts()).accounts

    assert asyncio.run(run())[0].last_error == "Bearer [token] refused"


@pytest.mark.parametrize(
    "token",
    ["", " ", f"{TOKEN}\n", f"{TOKEN} x", f"{TOKEN}ä", f"{TOKEN}\x00"],
    ids=["empty", "blank", "line break", "space", "umlaut", "null"],
)
def test_a_token_that_no_header_can_carry_is_refused_unshown(token: str) -> None:
    with pytest.raises(SettingsError, match="token") as caught:
        TrutoClient(ClientOptions("https://api.truto.example"), token=token)
    assert_hidden("".join(traceback.format_exception(caught.value)).split("SettingsError", 1)[1])
