"""Let requests wait for room under the ceilings on their number in any ten seconds.

When others started is kept in a log that processes share (coordination/'s); who waits for whom in
this process is decided here. What a request is, and which answer means "slow down", is not.
"""

import asyncio
import time
from collections.abc import Callable
from math import inf
from types import TracebackType
from typing import NamedTuple

from truto_groups.coordination.files.start_log import FileStartLog
from truto_groups.coordination.seam import LONGEST_PAUSE_SECONDS, Ceiling, StartLog


class PausedTooLongError(Exception):
    """Nothing may start for longer than the caller can wait.

    Attributes:
        seconds: For how long.
        key: Of the ceiling that is paused.
        told: What asked for the pause, in the words of whoever was asked; empty where not known.
    """

    def __init__(self, seconds: float, *, key: str, told: str) -> None:
        super().__init__(f"paused for {seconds:.0f} s more")
        self.seconds = seconds
        self.key = key
        self.told = told


class _Pause(NamedTuple):
    """Until when nothing may start, under which key, and what asked for it."""

    until: float
    key: str = ""
    told: str = ""


class RequestLimits:
    """A sliding window over the starts of requests.

    One request may have to respect several ceilings (its account's and the token's): it starts
    when all of them have room, and is counted under all of them at once. Waiting requests of a
    process are served first come, first served, and one that waits for its account holds up no
    other account. Belongs to one event loop.
    """

    def __init__(
        self, log: StartLog | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare the limits; nothing is opened before the first request that has a ceiling.

        Args:
            log: What processes share; None counts for this process alone.
            clock: Seconds since any moment, which never go back.
        """
        self._log = log or FileStartLog(clock=clock)
        self._clock = clock
        self._turns: dict[str, asyncio.Lock] = {}
        self._pauses: dict[str, _Pause] = {}

    def __enter__(self) -> "RequestLimits":
        """Nothing is opened before it is needed."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of the log."""
        self.close()

    @property
    def remembered_in(self) -> str | None:
        """Where other processes find what is remembered, as a clause; None where they do not."""
        return self._log.remembered_in

    def close(self) -> None:
        """Let go of the log; it is opened again when it is needed again."""
        self._log.close()

    async def wait_for(
        self, account: Ceiling | None, token: Ceiling, *, longest_pause: float = inf
    ) -> float:
        """Wait until one more request may start, and count it.

        Args:
            account: The ceiling of the integrated account that the request is for, if any.
            token: The ceiling of the token, over all accounts.
            longest_pause: Seconds of a pause that are worth waiting for. Waiting for room under a
                ceiling is ordinary and has no bound.

        Returns:
            The seconds that were waited because Truto had asked to slow down; waiting for room
            under a ceiling is ordinary and not in it.

        Raises:
            PausedTooLongError: Nothing may start for longer than that, here or, by the word of
                another process, since before this one.
            DatabaseError: The shared log cannot be used.
        """
        ceilings = (token,) if account is None else (account, token)
        started = self._clock()
        until = started + longest_pause
        if not any(ceiling.requests for ceiling in ceilings):
            await self._wait_out_pauses(ceilings, until=until)
        elif account is None:
            await self._take_turn(ceilings, token, until=until)
        else:
            async with self._turn(account.key):
                await self._take_turn(ceilings, token, until=until)
        return self._find_throttled(ceilings, since=started)

    async def slow_down(self, ceiling: Ceiling, *, seconds: float, told: str = "") -> None:
        """Let no request start under a key for some seconds, then start again at half speed.

        A key that is paused already is not halved again: the answers to requests that were under
        way together are one and the same message.

        Args:
            ceiling: The key, with the ceiling that is normally in force for it.
            seconds: Length of the pause from now on; an hour is the longest.
            told: What asks for it, for whoever has to wait.

        Raises:
            DatabaseError: The shared log cannot be used.
        """
        seconds = min(max(0.0, seconds), LONGEST_PAUSE_SECONDS)
        self._remember_pause(_Pause(self._clock() + seconds, ceiling.key, told))
        if ceiling.requests:
            await self._log.slow_down(ceiling, seconds=seconds, told=told)

    def _turn(self, key: str) -> asyncio.Lock:
        lock = self._turns.get(key)
        if lock is None:
            lock = self._turns[key] = asyncio.Lock()
        return lock

    async def _take_turn(
        self, ceilings: tuple[Ceiling, ...], token: Ceiling, *, until: float
    ) -> None:
        while True:
            async with self._turn(token.key):
                while True:
                    wait, is_token = await self._claim(ceilings, token=token)
                    if wait <= 0:
                        return
                    self._guard_pauses(ceilings, until=until)
                    if not is_token:
                        break
                    await asyncio.sleep(wait)
            await asyncio.sleep(wait)

    async def _wait_out_pauses(self, ceilings: tuple[Ceiling, ...], *, until: float) -> None:
        while (wait := self._find_pause(ceilings)) > 0:
            self._guard_pauses(ceilings, until=until)
            await asyncio.sleep(wait)

    def _guard_pauses(self, ceilings: tuple[Ceiling, ...], *, until: float) -> None:
        pause = self._find_longest(ceilings)
        now = self._clock()
        if max(now, pause.until) > until:
            raise PausedTooLongError(max(0.0, pause.until - now), key=pause.key, told=pause.told)

    def _find_pause(self, ceilings: tuple[Ceiling, ...]) -> float:
        """For how many seconds more nothing may start, as far as this process has seen."""
        return max(0.0, self._find_longest(ceilings).until - self._clock())

    def _find_longest(self, ceilings: tuple[Ceiling, ...]) -> _Pause:
        nothing = _Pause(0.0)
        if not self._pauses:
            return nothing
        return max(self._pauses.get(one.key, nothing) for one in ceilings)

    def _remember_pause(self, pause: _Pause) -> None:
        self._pauses[pause.key] = max(pause, self._pauses.get(pause.key, pause))

    def _find_throttled(self, ceilings: tuple[Ceiling, ...], *, since: float) -> float:
        if not self._pauses:
            return 0.0
        return max(0.0, min(self._find_longest(ceilings).until, self._clock()) - since)

    async def _claim(self, ceilings: tuple[Ceiling, ...], *, token: Ceiling) -> tuple[float, bool]:
        """Count one start now, or say how long to wait, and whether it is the token that waits."""
        # A key without a ceiling is in no log: this process alone knows its pauses.
        free = [one for one in ceilings if not one.requests]
        pause = self._find_pause(tuple(free)) if free else 0.0
        if pause > 0:
            return pause, token in free
        limited = [one for one in ceilings if one.requests]
        rooms = await self._log.claim(limited)
        for ceiling, room in zip(limited, rooms, strict=True):
            if room.is_paused:
                self._remember_pause(_Pause(self._clock() + room.wait, ceiling.key, room.told))
        longest, room = max(zip(limited, rooms, strict=True), key=lambda one: one[1].wait)
        return room.wait, longest is token
