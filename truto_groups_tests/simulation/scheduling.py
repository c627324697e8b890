"""Virtual time, and whose turn it is: one thing happens at any moment, and a seed says which.

Programs are threads of which exactly one ever runs; they share an event loop whose ready handles
are run one by one, in any order. Time moves only when nothing can happen any more.
"""

import asyncio
import contextvars
import heapq
import itertools
import threading
from asyncio import events
from collections.abc import Callable, Coroutine, Generator
from random import Random
from typing import Any

_MOST_STEPS = 100_000
# How often somebody who could go on is preferred to the next step of the loop.
_SHARE_OF_PROGRAMS = 0.5


class Hang(BaseException):
    """Somebody waits for ever, or goes round and round."""


class Abandoned(BaseException):
    """The history is over before the program is; nobody may catch this."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """An event loop that runs a single handle when it is told to, and whose time stands still."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now = 1000.0
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = itertools.count()
        self.accidents: list[str] = []

    def time(self) -> float:
        return self._now

    def call_soon(
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._count), handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.accidents.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Asked for by TimerHandle.cancel; a cancelled one is passed over when its time comes."""

    @property
    def can_step(self) -> bool:
        """Whether something can happen now."""
        while self._timers and (self._timers[0][0] <= self._now or self._timers[0][2].cancelled()):
            handle = heapq.heappop(self._timers)[2]
            if not handle.cancelled():
                self._ready.append(handle)
        return bool(self._ready)

    @property
    def next_at(self) -> float | None:
        """When something happens next, if nothing can happen now."""
        return self._timers[0][0] if self._timers else None

    def step(self) -> None:
        """Let one thing happen."""
        handle = self._ready.pop(self._random.randrange(len(self._ready)))
        if not handle.cancelled():
            # A program that asks from a loop of its own may be who lets this one go on.
            other = events._get_running_loop()
            events._set_running_loop(self)
            try:
                handle._run()
            finally:
                events._set_running_loop(other)

    def advance(self, to: float) -> None:
        """Let time pass."""
        self._now = max(self._now, to)


class Program:
    """A thread that runs when it is its turn.

    Attributes:
        name: Of the run.
        error: What it ended with, if it did not end well.
        is_over: Whether it has ended.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: BaseException | None = None
        self.is_over = False
        self.turn = threading.Semaphore(0)
        self.is_ready: Callable[[], bool] = bool
        self.until: float | None = None


class Scheduler:
    """Says who goes on. The thread that makes it is a program, too."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.loop = VirtualLoop(random)
        self._here = threading.local()
        self._director = Program("director")
        self._here.program = self._director
        self._waiting: list[Program] = []
        self._threads: list[threading.Thread] = []
        self._steps = 0
        self._is_abandoned = False

    @property
    def current(self) -> Program:
        """Who goes on now."""
        return self._here.program

    def start(self, name: str, work: Callable[[], object]) -> Program:
        """Let a program begin when it is its turn."""
        program = Program(name)

        def run() -> None:
            self._here.program = program
            program.turn.acquire()
            try:
                if not self._is_abandoned:
                    work()
            except BaseException as error:  # noqa: BLE001 - told by who reads the program's end
                program.error = error
            program.is_over = True
            self._choose().turn.release()

        program.until = self.loop.time()
        self._waiting.append(program)
        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return program

    def wait(self, is_ready: Callable[[], bool], *, seconds: float | None) -> None:
        """Wait until it is ready, or the time has passed; others may go on before and after."""
        here = self.current
        if self._is_abandoned and here is not self._director:
            raise Abandoned
        here.is_ready = is_ready
        here.until = None if seconds is None else self.loop.time() + seconds
        self._waiting.append(here)
        chosen = self._choose()
        if chosen is not here:
            chosen.turn.release()
            here.turn.acquire()
        if self._is_abandoned and here is not self._director:
            raise Abandoned

    def finish(self, *programs: Program) -> None:
        """Wait until programs are over.

        Raises:
            Hang: They never will be.
        """
        self.wait(lambda: all(program.is_over for program in programs), seconds=None)
        if self._is_abandoned:
            for thread in self._threads:
                thread.join(10)
            waits = [program.name for program in programs if isinstance(program.error, Abandoned)]
            raise Hang(f"{', '.join(waits) or 'the loop'} waits for ever, or never ends")

    def _choose(self) -> Program:
        """Let things happen until it is somebody's turn."""
        while True:
            self._steps += 1
            if self._is_abandoned or self._steps > _MOST_STEPS:
                return self._abandon()
            now = self.loop.time()
            ready = [
                one
                for one in self._waiting
                if one.is_ready() or (one.until is not None and one.until <= now)
            ]
            can_step = self.loop.can_step
            if ready and (not can_step or self.random.random() < _SHARE_OF_PROGRAMS):
                return self._take(self.random.choice(ready))
            if can_step:
                self.loop.step()
                continue
            moments = [one.until for one in self._waiting if one.until is not None]
            if self.loop.next_at is not None:
                moments.append(self.loop.next_at)
            if not moments:
                return self._abandon()
            self.loop.advance(min(moments))

    def _abandon(self) -> Program:
        """End all programs one by one, the director last."""
        self._is_abandoned = True
        others = [one for one in self._waiting if one is not self._director]
        return self._take(others[0] if others else self._director)

    def _take(self, program: Program) -> Program:
        self._waiting.remove(program)
        return program
