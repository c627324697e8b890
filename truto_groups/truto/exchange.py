"""Ask Truto for one thing until it is answered, within its budget.

The only place that judges answers and asks again: ceilings, retries and redirects are settled here,
so that no call can forget one. What a good body means is the caller's; groups are never looked into
here.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import httpx

from truto_groups.coordination.seam import LONGEST_PAUSE_SECONDS, Ceiling
from truto_groups.errors import (
    EnvelopeError,
    RedirectRefusedError,
    RetriesExhaustedError,
    TrutoError,
    UnexpectedAnswerError,
)
from truto_groups.truto.bodies import MOST_OF_A_PAGE, BodyLoad, Scales
from truto_groups.truto.connection import SUCCESS, Connection, Lost, Received
from truto_groups.truto.envelope import CutOffError, MalformedError, ToldError, read_envelope
from truto_groups.truto.limits import PausedTooLongError, RequestLimits
from truto_groups.truto.options import ClientOptions
from truto_groups.truto.redaction import build_redactor
from truto_groups.truto.refusals import (
    UNAUTHORIZED,
    ErrorBody,
    Subject,
    build_refusal,
    read_error_body,
    shorten,
)
from truto_groups.truto.retry import (
    BLOCKED,
    FORBIDDEN,
    HEALING_STATUSES,
    TOO_MANY_REQUESTS,
    RetryPolicy,
    Wish,
    read_wish,
    tell_of_rate_limit,
)
from truto_groups.truto.setbacks import SHARED_KEY, Setback, build_give_up
from truto_groups.truto.walk_results import SyncStats

T = TypeVar("T")
MAX_REDIRECTS: Final = 5


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a successful answer says, and how many bytes it took, unpacked."""

    value: T
    byte_count: int


class Exchange:
    """One Truto, asked with one token."""

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
        self.scales = Scales()
        self._token_ceiling = Ceiling(SHARED_KEY, options.requests_per_10_seconds)
        self._limits = limits or RequestLimits()
        self._policy = RetryPolicy(options.retry_attempts, options.retry_seconds, jitter)
        self._connection = Connection(options, token=token, redact=self.redact, transport=transport)

    async def close(self) -> None:
        """Close the pool and the log of the limits, which opens again for whoever else has it."""
        self._limits.close()
        await self._connection.close()

    async def fetch(
        self,
        path: str,
        read: Callable[[bytes], T],
        *,
        subject: Subject,
        stats: SyncStats,
        load: BodyLoad,
        account: Ceiling | None = None,
        most: int = MOST_OF_A_PAGE,
    ) -> Answer[T]:
        """Send a GET until it is answered.

        Args:
            path: Path and query below the base URL, encoded.
            read: Takes the body of a successful answer apart; raises MalformedError or ToldError.
            subject: What is asked for, for errors.
            stats: Counts what is sent.
            load: What the answer weighs; the caller puts it down.
            account: The ceiling of the integrated account that this is for.
            most: Bytes that the answer may be large.

        Returns:
            The first successful answer, read.

        Raises:
            RetriesExhaustedError: The budget ended before that.
            TrutoError: It was refused for good; TokenRejectedError concerns every account.
            DatabaseError: The log of the ceilings cannot be used.
        """
        await self._wait_for_room(account, subject=subject, stats=stats)
        started = time.monotonic()
        attempt = 1
        while True:
            received = await self._attempt(
                path, subject=subject, stats=stats, account=account, most=most, load=load
            )
            answer = self._judge(received, read, subject=subject, account=account)
            if isinstance(answer, Answer):
                return answer
            if isinstance(answer, TrutoError):
                raise answer
            load.put_down()
            asked = None if answer.wish is None else answer.wish.seconds
            wait = self._policy.find_wait(
                attempt=attempt, elapsed_seconds=time.monotonic() - started, asked_seconds=asked
            )
            await self._slow_down(answer, stats=stats)
            if wait is None:
                spent = time.monotonic() - started
                raise self._give_up(subject, answer, attempt=attempt, spent=spent)
            if answer.limit is not None:
                wait -= asked or 0.0
            await asyncio.sleep(wait)
            spent = time.monotonic() - started
            await self._wait_for_room(
                account, subject=subject, stats=stats, attempt=attempt, spent=spent
            )
            stats.retry_count += 1
            attempt += 1

    async def ask_once(
        self,
        path: str,
        *,
        subject: Subject,
        load: BodyLoad,
        account: Ceiling | None = None,
    ) -> tuple[Received | None, TrutoError | None]:
        """Send a GET once, whatever it is answered, within the ceilings.

        Args:
            path: Path and query below the base URL, encoded.
            subject: What is asked for, for errors.
            load: What the answer weighs; the caller puts it down.
            account: The ceiling of the integrated account that this is for.

        Returns:
            The answer, None where none came; and what is wrong with it, None where nothing is.

        Raises:
            RetriesExhaustedError: Nothing may be sent for longer than is waited.
            DatabaseError: The log of the ceilings cannot be used.
        """
        stats = SyncStats()
        await self._wait_for_room(account, subject=subject, stats=stats)
        received = await self._attempt(
            path, subject=subject, stats=stats, account=account, most=MOST_OF_A_PAGE, load=load
        )
        judged = self._judge(received, read_envelope, subject=subject, account=account)
        if isinstance(judged, Setback):
            await self._slow_down(judged, stats=stats)
            judged = self._give_up(subject, judged, attempt=1, spent=0.0)
        answer = received if isinstance(received, Received) else None
        return answer, judged if isinstance(judged, TrutoError) else None

    async def _slow_down(self, setback: Setback, *, stats: SyncStats) -> None:
        """Remember what is asked to wait, also without another attempt of one's own.

        The others must not run into the same wall.
        """
        if setback.limit is None or setback.wish is None:
            return
        await self._limits.slow_down(
            setback.limit, seconds=setback.wish.seconds, told=setback.wish.header
        )
        stats.tell_throttled(min(setback.wish.seconds, LONGEST_PAUSE_SECONDS))

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
            is_token = account is None or error.key == SHARED_KEY
            pause = Setback(
                "throttled before",
                Wish(error.seconds, error.told),
                self._token_ceiling if is_token else account,
            )
        else:
            return
        raise self._give_up(subject, pause, attempt=attempt, spent=spent)

    async def _attempt(
        self,
        path: str,
        *,
        subject: Subject,
        stats: SyncStats,
        account: Ceiling | None,
        most: int,
        load: BodyLoad,
    ) -> Received | Lost | TrutoError:
        url = self._connection.find_url(path)
        for _ in range(MAX_REDIRECTS + 1):
            stats.count_request()
            received = await self._connection.get(url, subject=subject, most=most, load=load)
            if not isinstance(received, Received):
                return received
            stats.byte_count += len(received.body)
            if not received.is_redirect:
                return received
            target = self._connection.find_target(received, url=url)
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

    def _judge(
        self,
        received: Received | Lost | TrutoError,
        read: Callable[[bytes], T],
        *,
        subject: Subject,
        account: Ceiling | None,
    ) -> Answer[T] | Setback | TrutoError:
        if isinstance(received, TrutoError):
            return received
        if isinstance(received, Lost):
            return Setback(received.reason, is_unreached=received.is_unreached)
        if received.status != SUCCESS:
            return self._refuse(received, received.status, subject=subject, account=account)
        try:
            return Answer(read(received.body), len(received.body))
        except MalformedError as error:
            reason = str(error)
            if isinstance(error, CutOffError) and received.is_of_any_length:
                return Setback("the connection ended before the answer did")
        except ToldError as error:
            return self._refuse(received, error.status, subject=subject, account=account)
        return self._build_envelope_error(subject, reason, received)

    def _refuse(
        self,
        received: Received,
        status: int | None,
        *,
        subject: Subject,
        account: Ceiling | None,
    ) -> Setback | TrutoError:
        """Say what an error means, which stands in the answer's status or in its body alone."""
        is_inside = received.status == SUCCESS
        told = read_error_body(received.body, redact=self.redact)
        now = datetime.now(UTC)
        is_throttled = status == TOO_MANY_REQUESTS or (
            status == FORBIDDEN
            and not told.lacks_scopes
            and (told.is_rate_limit or tell_of_rate_limit(received.headers, now=now))
        )
        if status == UNAUTHORIZED and received.is_cut:
            return self._build_unread(subject)
        if not is_throttled and status not in HEALING_STATUSES:
            return build_refusal(subject, status=status, told=told, is_inside=is_inside)
        text = f": {told.text}" if told.text else ""
        limit = None
        if is_throttled:
            is_of_token = status == TOO_MANY_REQUESTS and not is_inside
            # A body that was not read names nobody, and one app must not slow down all others.
            is_of_token = is_of_token and not (received.is_cut and account)
            limit = self._find_limit(told, account=account) if is_of_token else account
        wish = read_wish(received.headers, is_throttled=is_throttled, now=now)
        if wish is not None:
            wish = replace(wish, header=shorten(self.redact(wish.header), 100))
        return Setback(
            f"status {status}{' inside an answer of status 200' if is_inside else ''}{text}",
            wish=wish,
            limit=limit,
            is_blocked=status == BLOCKED and not told.is_remote and "blocked" in told.text.lower(),
        )

    def _find_limit(self, told: ErrorBody, *, account: Ceiling | None) -> Ceiling:
        if account is not None and (told.is_remote or told.is_about_account):
            return account
        return self._token_ceiling

    def _build_unread(self, subject: Subject) -> UnexpectedAnswerError:
        """Tell of a 401 that is too large to be Truto's own, which would end the whole run."""
        return UnexpectedAnswerError(
            f"401 is the answer to {subject}, with more words than are read of an error.",
            advice="If it stays like this, look whether its owner has to reconnect the account.",
            integrated_account_id=subject.integrated_account_id,
        )

    def _build_envelope_error(
        self, subject: Subject, reason: str, received: Received
    ) -> EnvelopeError:
        """Tell that an answer with status 200 is not what Truto documents, without its body."""
        kind = shorten(self.redact(received.content_type), 100) or "nothing"
        return EnvelopeError(
            f"The answer to {subject} is not what Truto documents: "
            f"{shorten(self.redact(reason), 300)} "
            f"(it calls itself {kind}, {len(received.body)} bytes).",
            advice="Nothing was taken from it. If this stays, check the base URL and whether a "
            "proxy answers in Truto's place, then ask Truto's support.",
            integrated_account_id=subject.integrated_account_id,
        )

    def _give_up(
        self, subject: Subject, setback: Setback, *, attempt: int, spent: float
    ) -> RetriesExhaustedError:
        return build_give_up(
            subject,
            setback,
            policy=self._policy,
            attempt=attempt,
            spent=spent,
            remembered_in=self._limits.remembered_in,
        )
