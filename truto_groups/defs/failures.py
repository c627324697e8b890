"""How what goes wrong reaches Dagster: with its advice, and without a secret.

Dagster keeps the text of an exception in its event log, with those that it is chained to, for
everyone who sees the UI.
"""

import functools
import inspect
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import dagster as dg

from truto_groups.errors import TrutoGroupsError
from truto_groups.text.secrecy import redact
from truto_groups.text.visible import show

Function = TypeVar("Function", bound=Callable[..., Any])


class RetoldError(Exception):
    """Something that nobody foresaw, told again because its own words held a secret."""


ERROR_KIND = "error_kind"
"""Where a failure holds the kind of the error of ours that it was made of."""


def make_failure(error: TrutoGroupsError) -> dg.Failure:
    """Make of an error of ours what a step raises; a retry by Dagster would not help."""
    return dg.Failure(
        description=show(str(error)), metadata={ERROR_KIND: error.kind}, allow_retries=False
    )


def keep_secrets(function: Function) -> Function:
    """Let no exception of a step, a sensor or a schedule carry a secret to Dagster.

    Stands below Dagster's decorator.
    """
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def guarded(*arguments: Any, **options: Any) -> Any:
            with _keeping_secrets():
                yield from function(*arguments, **options)
    else:

        @functools.wraps(function)
        def guarded(*arguments: Any, **options: Any) -> Any:
            with _keeping_secrets():
                return function(*arguments, **options)

    return cast(Function, guarded)


@contextmanager
def _keeping_secrets() -> Generator[None]:
    try:
        yield
    except Exception as error:
        # As Dagster tells it: with all that it is chained to.
        told = "".join(traceback.format_exception(error))
        if redact(told) == told:
            raise
        text = redact(f"{type(error).__name__}: {error}")
        # Where it happened is kept; what it is chained to is not, because that holds the secret.
        raise RetoldError(text).with_traceback(error.__traceback__) from None
