"""What Truto holds, version by version, and how it answers: rightly, late, wrongly or not at all.

A cursor carries the version that its first page was of, so that a walk to the end sees exactly one
version, and what was published can be told to be one. Which version a run saw, and whom its faults
may be blamed for, is noted here.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import unquote

import httpx

GROUPS_PATH = "/unified/user-directory/groups"
ACCOUNTS_PATH = "/integrated-account"
PARTIAL = "jfrog"
"""An integration each of whose groups is completed through Get Group."""

_DEEP = "[" * 600 + "]" * 600
_WORDS = ("Sales", "Ops", "Café", "🙂 Fun", "", "Ünïts\t", "a'b\"c\\d")
_TYPES = ("team", "department", "group", "product", "Team", None)

Record = dict[str, Any]


@dataclass(frozen=True)
class Version:
    """What an account held for a while.

    Attributes:
        number: From 1.
        records: As they are sent, one JSON text each.
        is_sound: Whether it may be published; else it is held back.
    """

    number: int
    records: tuple[str, ...]
    is_sound: bool = True

    @property
    def groups(self) -> dict[str, Record]:
        """By id: of one that is there twice the later one."""
        read = [json.loads(record) for record in self.records]
        return {record["id"]: record for record in read if record.get("id") is not None}


@dataclass
class Account:
    """An account at Truto: all that it ever held, the present version last."""

    id: str
    integration: str
    versions: list[Version]
    is_listed: bool = True

    @property
    def now(self) -> Version:
        return self.versions[-1]


@dataclass
class Conduct:
    """How Truto treats one run.

    Attributes:
        share: Of its requests that meet a fault.
        slowest: Seconds that an answer may take, as a rule.
        fail_at: The number of the one request that meets a fault, for enumerations; from 1.
        faults: Which faults.
        request_count: Requests so far.
        seen: By account, the version whose first page was given last.
        blamed: Accounts whose answers were wrong in any way.
        is_rejected: Whether the token was rejected.
    """

    share: float = 0.0
    slowest: float = 2.0
    fail_at: int | None = None
    faults: Sequence[str] = ()
    request_count: int = 0
    seen: dict[str, int] = field(default_factory=dict[str, int])
    blamed: set[str] = field(default_factory=set[str])
    is_rejected: bool = False


class Truto:
    """Accounts, and the answers about them."""

    def __init__(self, random: Random, accounts: Sequence[Account]) -> None:
        self.random = random
        self.accounts = {account.id: account for account in accounts}

    def change(self, account: Account) -> None:
        """Let an account hold something else."""
        changed = change_records(self.random, account.now.records)
        is_sound = account.integration == PARTIAL or self.random.random() > 0.06
        if not is_sound:
            broken = json.dumps(self.random.choice([{"id": None}, {"name": "No id"}]))
            changed = (*changed, broken)
        account.versions.append(Version(account.now.number + 1, changed, is_sound))

    async def answer(self, request: httpx.Request, conduct: Conduct) -> httpx.Response:
        """Answer a request for groups, sooner or later."""
        conduct.request_count += 1
        account = self.accounts[request.url.params["integrated_account_id"]]
        fault = self._draw_fault(conduct)
        await self._pass_time(conduct)
        if fault is not None:
            conduct.blamed |= set(self.accounts) if fault in _OF_ALL else {account.id}
            answer = await _FAULTS[fault](self, request, account, conduct)
        else:
            answer = self._answer_rightly(request, account, conduct)
        await self._pass_time(conduct)
        return answer

    def list_accounts(self) -> httpx.Response:
        """Answer List Integrated Accounts."""
        rows = [
            {
                "id": account.id,
                "status": "active",
                "tenant_id": "tenant",
                "integration": {"name": account.integration},
            }
            for account in self.accounts.values()
            if account.is_listed
        ]
        return httpx.Response(200, json={"result": rows, "next_cursor": None})

    def _draw_fault(self, conduct: Conduct) -> str | None:
        if conduct.fail_at is not None:
            is_hit = conduct.request_count == conduct.fail_at
        else:
            is_hit = self.random.random() < conduct.share
        return self.random.choice(conduct.faults) if is_hit else None

    async def _pass_time(self, conduct: Conduct) -> None:
        if conduct.slowest and self.random.random() < 0.7:
            await asyncio.sleep(self.random.random() * conduct.slowest)

    def _answer_rightly(
        self, request: httpx.Request, account: Account, conduct: Conduct
    ) -> httpx.Response:
        if request.url.path != GROUPS_PATH:
            return self._get_group(request, account, conduct)
        version, start = self._find_place(request, account, conduct)
        size = int(request.url.params["limit"])
        records = version.records[start : start + size]
        if account.integration == PARTIAL:
            ids = [json.loads(record).get("id") for record in records]
            records = tuple(json.dumps({"id": one}) for one in ids)
        after = start + size
        is_last = after >= len(version.records)
        if is_last and self.random.random() < 0.2 and after < len(version.records) + size:
            is_last = False  # an empty page with a cursor is not the end
        cursor = None if is_last else f"{version.number}:{after}"
        body = f'{{"result":[{",".join(records)}],"next_cursor":{json.dumps(cursor)}}}'
        return httpx.Response(200, content=body.encode())

    def _find_place(
        self, request: httpx.Request, account: Account, conduct: Conduct
    ) -> tuple[Version, int]:
        cursor = request.url.params.get("next_cursor")
        if cursor is None:
            conduct.seen[account.id] = account.now.number
            return account.now, 0
        number, _, start = cursor.partition(":")
        return account.versions[int(number) - 1], int(start)

    def _get_group(
        self, request: httpx.Request, account: Account, conduct: Conduct
    ) -> httpx.Response:
        """Answer Get Group, out of the version that the walk saw."""
        group_id = unquote(request.url.raw_path.decode().partition("?")[0].rpartition("/")[2])
        version = account.versions[conduct.seen[account.id] - 1]
        found = [one for one in version.records if json.loads(one).get("id") == group_id]
        if not found:
            return _refuse(404, "No such group")
        return httpx.Response(200, content=found[-1].encode())


def change_records(random: Random, records: Sequence[str]) -> tuple[str, ...]:
    """Change what an account holds, or nothing of it."""
    read = [record for record in map(json.loads, records) if record.get("id") is not None]
    for _ in range(random.randrange(4)):
        position = random.randrange(len(read) + 1)
        act = random.choice(["add", "add", "remove", "change", "change", "repeat", "move", "same"])
        if act == "add" and len(read) < 7:
            read.insert(position, make_group(random))
        elif position == len(read):
            continue
        elif act == "remove":
            del read[position]
        elif act == "change":
            changed = make_group(random)
            field_name = random.choice(["name", "description", "group_type", "remote_data", "odd"])
            read[position] = {**read[position], field_name: changed[field_name]}
        elif act == "repeat":
            read.append({**read[position], "name": random.choice(_WORDS)})
        elif act == "move":
            read.insert(0, read.pop(position))
        elif act == "same":
            read[position] = dict(reversed(read[position].items()))
    if random.random() < 0.05:
        read = []
    return tuple(json.dumps(one, ensure_ascii=random.random() < 0.5) for one in read)


def make_group(random: Random) -> Record:
    """Make a group with an id out of a few, so that ids go and come back."""
    return {
        "id": f"g{random.randrange(9)}",
        "name": random.choice(_WORDS),
        "group_type": random.choice(_TYPES),
        "description": random.choice([None, *_WORDS]),
        "remote_data": {"size": random.randrange(5), "tags": [random.choice(_WORDS)]},
        "odd": random.choice(_WORDS),
    }


Fault = Callable[[Truto, httpx.Request, Account, Conduct], Any]


def _refuse(status: int, message: str, **more: object) -> httpx.Response:
    return httpx.Response(status, json={"message": message, **more})


def _status(status: int, *, is_remote: bool = False, **headers: str) -> Fault:
    async def answer(*_: object) -> httpx.Response:
        more = {"truto_is_remote_error": True} if is_remote else {}
        response = _refuse(status, f"Simulated {status}", **more)
        response.headers.update({name.replace("_", "-"): text for name, text in headers.items()})
        return response

    return answer


def _body(text: str, *, status: int = 200) -> Fault:
    async def answer(*_: object) -> httpx.Response:
        return httpx.Response(status, content=text.encode())

    return answer


async def _reject(truto: Truto, _r: httpx.Request, _a: Account, conduct: Conduct) -> Any:
    conduct.is_rejected = True
    return _refuse(401, "Unauthorized")


async def _break_connection(*_: object) -> httpx.Response:
    raise httpx.ConnectError("simulated: connection refused")


async def _break_reading(*_: object) -> httpx.Response:
    raise httpx.ReadError("simulated: connection reset")


async def _time_out(*_: object) -> httpx.Response:
    await asyncio.sleep(60)
    raise httpx.ReadTimeout("simulated: no answer")


async def _never_answer(*_: object) -> httpx.Response:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def _nest_too_deep(
    truto: Truto, request: httpx.Request, account: Account, conduct: Conduct
) -> httpx.Response:
    """Answer with the right page and one record more, which cannot be landed."""
    right = truto._answer_rightly(request, account, conduct)
    if request.url.path != GROUPS_PATH:
        return right
    body = json.loads(right.content)
    deep = f'{{"id":"deep","remote_data":{_DEEP}}}'
    records = [*(json.dumps(one) for one in body["result"]), deep]
    cursor = json.dumps(body["next_cursor"])
    text = f'{{"result":[{",".join(records)}],"next_cursor":{cursor}}}'
    return httpx.Response(200, content=text.encode())


async def _refuse_cursor(
    truto: Truto, request: httpx.Request, account: Account, conduct: Conduct
) -> httpx.Response:
    if "next_cursor" not in request.url.params:
        return truto._answer_rightly(request, account, conduct)
    return _refuse(truto.random.choice([400, 404, 410, 422]), "The cursor has expired")


async def _turn_back(
    truto: Truto, request: httpx.Request, account: Account, conduct: Conduct
) -> httpx.Response:
    """Answer with the right page and a cursor that leads back to it."""
    right = truto._answer_rightly(request, account, conduct)
    cursor = request.url.params.get("next_cursor")
    if request.url.path != GROUPS_PATH or cursor is None:
        return right
    return httpx.Response(200, json={**json.loads(right.content), "next_cursor": cursor})


_FAULTS: dict[str, Fault] = {
    "connect error": _break_connection,
    "read error": _break_reading,
    "timeout": _time_out,
    "silence": _never_answer,
    "408": _status(408),
    "500": _status(500),
    "502": _status(502),
    "503": _status(503, retry_after="2"),
    "520": _status(520),
    "524": _status(524),
    "530": _status(530),
    "418": _status(418),
    "400": _status(400),
    "401 of the app": _status(401, is_remote=True),
    "403": _status(403),
    "403, slow down": _status(403, is_remote=True, retry_after="2"),
    "403, nothing remains": _status(403, is_remote=True, x_ratelimit_remaining="0"),
    "404": _status(404),
    "422": _status(422),
    "429 of the app": _status(429, is_remote=True, retry_after="3"),
    "429 of the app, long": _status(429, is_remote=True, retry_after="900"),
    "429 of the app, garbled": _status(429, is_remote=True, retry_after="9" * 400),
    "429 of the app, in milliseconds": _status(
        429, is_remote=True, ratelimit_remaining="0", ratelimit_reset="1772366400000"
    ),
    "429 of the token": _status(429, retry_after="4"),
    "401 of the token": _reject,
    "HTML": _body("<html>"),
    "no result": _body("{}"),
    "null": _body('{"result": null}'),
    "errors beside": _body('{"result": [], "errors": [{"message": "Simulated"}]}'),
    "an error beside": _body('{"result": [], "error": "Simulated", "next_cursor": null}'),
    "500 inside": _body('{"statusCode": 500, "error": "Simulated", "result": []}'),
    "202 and empty": _body('{"result": [], "next_cursor": null}', status=202),
    "206 and empty": _body('{"result": [], "next_cursor": null}', status=206),
    "cut off": _body('{"result": [{"id": "g1"'),
    "half a character": _body(r'{"result": [{"id": "g1", "name": "\ud83d"}]}'),
    "nested too deep": _nest_too_deep,
    "cursor refused": _refuse_cursor,
    "cursor turns back": _turn_back,
}
# What is no single account's: every account may come to nothing because of it.
_OF_ALL = frozenset({"429 of the token", "401 of the token"})

FAULTS = tuple(name for name in _FAULTS if name != "401 of the token")
"""What one request may meet, by name; the rejection of the token, which ends a run, apart."""
REJECTION = "401 of the token"
