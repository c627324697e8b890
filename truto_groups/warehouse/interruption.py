"""Let nothing swallow a signal, and none come between a COMMIT and who is told of it.

What a signal's handler raises inside of a statement comes out as another error.
"""

import re
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

# How DuckDB tells of what one of our functions raised; the exception itself it drops.
_DROPPED = re.compile(r"Python exception occurred while executing the UDF: (\w+): ")


def find_interruption(error: BaseException) -> BaseException | None:
    """Find what a signal's handler raised, where an error is it or hides it.

    DuckDB makes an error of its own of whatever is raised while it works, Ctrl-C and Dagster's
    cancellation included; taken for what it seems, a run would go on.
    """
    hidden: BaseException | None = error
    while hidden is not None and isinstance(hidden, Exception | GeneratorExit):
        dropped = _restore_dropped(hidden)
        hidden = dropped or hidden.__cause__ or hidden.__context__
    return hidden


def _restore_dropped(error: BaseException) -> BaseException | None:
    """Make the interruption anew of which DuckDB kept only the name, or none."""
    told = _DROPPED.search(str(error))
    if told is None:
        return None
    kinds = {kind.__name__: kind for kind in BaseException.__subclasses__()}
    kind = kinds.get(told[1], Exception)
    return None if kind is Exception else kind()


def raise_interruption(error: BaseException) -> None:
    """Raise what a signal's handler raised, where an error hides it.

    Args:
        error: The error to look behind; it hides nothing any more afterwards.
    """
    hidden = find_interruption(error)
    if hidden is not None and hidden is not error:
        # It is raised where the error is being handled, which thereby stands behind it: without
        # this, who follows the chain would go round in a circle.
        error.__cause__ = error.__context__ = None
        raise hidden


@contextmanager
def holding_signals() -> Generator[None]:
    """Let Ctrl-C and a request to end wait until the block has ended, for as long as that takes."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread alone
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    handlers = {one: signal.signal(one, note) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in handlers.items():
            # None: not of Python's making, so that it cannot be had back.
            signal.signal(one, signal.SIG_DFL if handler is None else handler)
        for one in came[:1]:
            signal.raise_signal(one)
