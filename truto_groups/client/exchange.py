"""Send one request to Truto until it is answered, within its budget.

The only place that sends: token, ceilings, retries and redirects are settled here, so that no
call can forget one. What a body means is the caller's; groups are never looked into here.
"""

import asyncio
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx

from truto_groups.client.options import ClientOptions
from truto_groups.client.refusals import (
    ErrorBody,
    Subject,
    build_refusal,
    read_error_body,
)
from truto_groups.client.retry import (
    HEALING_STATUSES,
    TOO_MANY_REQUESTS,
    RetryPolicy,
    read_asked_seconds,
)
from truto_groups.client.secrecy import build_redactor
from truto_groups.errors import (
    EnvelopeError,
    RedirectRefusedError,
    RetriesExhaustedError,
    TrutoError,
)
from truto_groups.limits import Ceiling, PausedTooLongError, RequestLimits
from truto_groups.version import read_version
from truto_groups.walks import SyncStats

MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its body, and the media type it claims to be."""

    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class _Setback:
    """Why an attempt failed that may heal, and how long the server wants us to wait."""

    reason: str
    asked_seconds: float | None = None
    limit: Ceiling | None = None
    is_blocked: bool = False


class Exchange:
    """The connection pool to one Truto, with one token."""

    def __init__(
        self,
        options: ClientOptions,
        *,
        token: str,
        limits: RequestLimits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Check the token; nothing is opened yet.

        Raises:
            SettingsError: The token is nothing that could be sent.
        """
        self.redact = build_redactor(token)
        self._token_ceiling = Ceiling("token", options.requests_per_10_seconds)
        self._limits = limits or RequestLimits()
        self._policy = RetryPolicy(options.retry_attempts, options.retry_seconds, jitter)
        self._longest_attempt = max(
            options.retry_seconds, options.connect_timeout_seconds + options.read_timeout_seconds
        )
        self._base = httpx.URL(options.base_url)
        self._base_url = options.base_url
        self._http = httpx.AsyncClient(
            headers={
                "Accept": "application/json",
                "Authorization": f"Bearer {token}",
                "User-Agent": f"truto-groups/{read_version()}",
            },
            follow_redirects=False,
            limits=httpx.Limits(
                max_connections=None,  # who may send is settled before: here nobody waits
                max_keepalive_connections=max(20, 4 * options.accounts_at_once),
                keepalive_expiry=30,
            ),
            timeout=httpx.Timeout(
                options.read_timeout_seconds, connect=options.connect_timeout_seconds
            ),
            transport=transport,
            # Reading all certificates takes 40 ms of CPU, and plain HTTP needs none of them.
            verify=self._base.scheme == "https" or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=not options.is_loopback,  # no proxy stands between us and this machine
        )

    async def close(self) -> None:
        """Close the pool and the file of the limits, which opens again for whoever else has it."""
        self._limits.close()
        await self._http.aclose()

    async def fetch(
        self,
        path: str,
        *,
        subject: Subject,
        stats: SyncStats,
        account: Ceiling | None = None,
    ) -> Answer:
        """Send a GET until it is answered.

        Args:
            path: Path and query below the base URL, encoded.
            subject: What is asked for, for errors.
            stats: Counts what is sent.
            account: The ceiling of the integrated account that this is for.

        Returns:
            The first successful answer.

        Raises:
            RetriesExhaustedError: The budget ended before that.
            TrutoError: It was refused for good; TokenRejectedError concerns every account.
            DatabaseError: The file of the ceilings cannot be used.
        """
        await self._wait_for_room(account, subject=subject, stats=stats)
        started = time.monotonic()
        attempt = 1
        while True:
            answer = await self._attempt(path, subject=subject, stats=stats, account=account)
            if isinstance(answer, Answer):
                return answer
            if isinstance(answer, TrutoError):
                raise answer
            wait = self._policy.find_wait(
                attempt=attempt,
                elapsed_seconds=time.monotonic() - started,
                asked_seconds=answer.asked_seconds,
            )
            if answer.limit is not None:
                # Also without another attempt: the others must not run into the same wall.
                self._limits.slow_down(answer.limit, seconds=answer.asked_seconds or 0.0)
            if wait is None:
                spent = time.monotonic() - started
                raise self._give_up(subject, answer, attempt=attempt, spent=spent)
            if answer.limit is not None:
                wait -= answer.asked_seconds or 0.0
            await asyncio.sleep(wait)
            spent = time.monotonic() - started
            await self._wait_for_room(
                account, subject=subject, stats=stats, attempt=attempt, spent=spent
            )
            stats.retry_count += 1
            attempt += 1

    async def _wait_for_room(
        self,
        account: Ceiling | None,
        *,
        subject: Subject,
        stats: SyncStats,
        attempt: int = 0,
        spent: float = 0.0,
    ) -> None:
        try:
            stats.throttled_seconds += await self._limits.wait_for(
                account, self._token_ceiling, longest_pause=self._policy.seconds - spent
            )
        except PausedTooLongError as error:
            pause = _Setback("throttled before", error.seconds)
            raise self._give_up(subject, pause, attempt=attempt, spent=spent) from None

    async def _attempt(
        self, path: str, *, subject: Subject, stats: SyncStats, account: Ceiling | None
    ) -> "Answer | _Setback | TrutoError":
        url = self._base_url + path
        for _ in range(MAX_REDIRECTS + 1):
            stats.count_request()
            response = await self._send(url, subject=subject)
            if not isinstance(response, httpx.Response):
                return response
            body = response.content
            stats.byte_count += len(body)
            if response.is_success:
                return Answer(body, response.headers.get("content-type", ""))
            if response.status_code not in _REDIRECTS or "location" not in response.headers:
                return self._judge(response, subject=subject, account=account)
            target = self._find_target(response)
            if target is None:
                break
            url = target
            await self._wait_for_room(account, subject=subject, stats=stats)
        return RedirectRefusedError(
            f"The answer to {subject} redirects elsewhere, or again and again; it was not "
            "followed, because the API token goes to the configured server only.",
            advice="Set TRUTO_BASE_URL (or base_url) to the address where Truto itself answers.",
            integrated_account_id=subject.integrated_account_id,
        )

    async def _send(
        self, url: str, *, subject: Subject
    ) -> "httpx.Response | _Setback | TrutoError":
        try:
            # Each read has its own timeout; a server that drips one byte at a time has this one.
            async with asyncio.timeout(self._longest_attempt):
                return await self._http.send(self._http.build_request("GET", url))
        except httpx.InvalidURL:
            return EnvelopeError(
                f"{subject} cannot be asked for: the cursor or id that Truto gave is too long for "
                "a URL.",
                advice="Ask Truto's support; nothing was published.",
                integrated_account_id=subject.integrated_account_id,
            )
        except httpx.TimeoutException as error:
            return _Setback(f"no answer in time ({type(error).__name__})")
        except TimeoutError:
            return _Setback(f"no whole answer within {self._longest_attempt:g} s")
        except (httpx.TransportError, httpx.DecodingError) as error:
            # Only told, never chained: the error holds the request, and that the token.
            return _Setback(self.redact(f"{type(error).__name__}: {error}".rstrip(": ")))

    def _judge(
        self, response: httpx.Response, *, subject: Subject, account: Ceiling | None
    ) -> "_Setback | TrutoError":
        status = response.status_code
        told = read_error_body(response.content, redact=self.redact)
        if status not in HEALING_STATUSES:
            return build_refusal(subject, status=status, told=told)
        text = f": {told.text}" if told.text else ""
        limit = None
        if status == TOO_MANY_REQUESTS:
            limit = self._find_limit(told, account=account)
        return _Setback(
            f"status {status}{text}",
            asked_seconds=read_asked_seconds(status, response.headers, now=datetime.now(UTC)),
            limit=limit,
            is_blocked="blocked" in told.text.lower(),
        )

    def _find_limit(self, told: ErrorBody, *, account: Ceiling | None) -> Ceiling:
        if account is not None and (told.is_remote or told.is_about_account):
            return account
        return self._token_ceiling

    def _find_target(self, response: httpx.Response) -> str | None:
        try:
            target = response.url.join(response.headers["location"])
        except httpx.InvalidURL:
            return None
        here, there = self._base, target
        is_same = (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)
        return str(target) if is_same and not target.userinfo else None

    def _give_up(
        self, subject: Subject, setback: _Setback, *, attempt: int, spent: float
    ) -> TrutoError:
        told = f"failed {attempt} time{'s' if attempt > 1 else ''} in {spent:.0f} s"
        if attempt == 0:
            told = "was not tried"
        elif attempt < self._policy.attempts:
            told += ", and the budget of `retry_seconds` does not reach to the next attempt"
        wish = f" (asked to wait {setback.asked_seconds:.0f} s)" if setback.asked_seconds else ""
        advice = "The next sync tries again; if it stays like this, look at Truto's status page."
        if setback.is_blocked:
            advice = "Ask Truto's support why the account is blocked; until then no sync succeeds."
        return RetriesExhaustedError(
            f"{subject} {told}; the reason: {setback.reason}{wish}.",
            advice=advice,
            integrated_account_id=subject.integrated_account_id,
        )
