"""Turn an answer that is no success into the exception that tells it, from Truto's own error body.

Pure: a status and a body in, an exception out. Whether something is tried again is retry.py's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import msgspec

from truto_groups.errors import (
    AccountNeedsReauthError,
    BadRequestError,
    ConflictError,
    ForbiddenError,
    MethodNotAllowedError,
    NotFoundError,
    RequestRefusedError,
    TokenRejectedError,
    TrutoError,
    UnexpectedAnswerError,
    UnprocessableError,
)

UNAUTHORIZED: Final = 401
_MESSAGE_LENGTH: Final = 500
_EXCERPT_LENGTH: Final = 200

_LOOK_AT_THE_QUERY: Final = (
    "Give what the integration needs under `query` in the settings file, for the integration or "
    "for this account."
)


_NOT_OF_AN_ACCOUNT: Final = (
    "Check the base URL, and that TRUTO_API_TOKEN is an API token of the environment: the token of "
    "a single integrated account may not ask this."
)


class _Verdict(NamedTuple):
    error: type[TrutoError]
    advice: str


_VERDICTS: Final[Mapping[int, _Verdict]] = {
    400: _Verdict(BadRequestError, _LOOK_AT_THE_QUERY),
    403: _Verdict(
        ForbiddenError,
        "Have the account reconnected with the rights that are missing, or set `skip: true` for it "
        "in the settings file.",
    ),
    404: _Verdict(
        NotFoundError,
        "Check that the account still exists, that the API token belongs to its environment, and "
        "that its integration maps groups; else set `skip: true` for it in the settings file.",
    ),
    405: _Verdict(
        MethodNotAllowedError,
        "The integration does not offer this call. Set `skip: true` for the account, or "
        "`complete: never` where only Get Group is missing, in the settings file.",
    ),
    409: _Verdict(
        ConflictError, "Look at the account in the Truto dashboard, and settle it there."
    ),
    422: _Verdict(UnprocessableError, _LOOK_AT_THE_QUERY),
}
_REJECTED: Final = _Verdict(
    TokenRejectedError,
    "Set TRUTO_API_TOKEN to a valid API token of the environment that holds the accounts; the old "
    "one may have expired.",
)
_NEEDS_REAUTH: Final = _Verdict(
    AccountNeedsReauthError,
    "Have its owner reconnect the account through a Truto link; it is synced again after that.",
)
_REFUSED: Final = _Verdict(RequestRefusedError, "Look the status up in Truto's documentation.")
_UNEXPECTED: Final = _Verdict(
    UnexpectedAnswerError, "Check the base URL, and whether something stands between us and Truto."
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked for, as an error names it.

    Attributes:
        what: The call, such as "List Groups, page 3".
        integrated_account_id: The account it is for, if any.
        integration: That account's integration, where it is known.
    """

    what: str
    integrated_account_id: str | None = None
    integration: str | None = None

    def __str__(self) -> str:
        """The call and the account."""
        if self.integrated_account_id is None:
            return self.what
        known = f" ({self.integration})" if self.integration else ""
        return f"{self.what} of integrated account {self.integrated_account_id}{known}"


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error body of Truto says, as far as it says anything.

    Attributes:
        is_remote: The app behind Truto refused, not Truto.
        text: Message and insight, in words.
        is_about_account: The message itself speaks of the integrated account.
    """

    is_remote: bool
    text: str
    is_about_account: bool


def read_error_body(body: bytes, *, redact: Callable[[str], str]) -> ErrorBody:
    """Read an error body; one that is no JSON object says nothing, not even an excerpt.

    Args:
        body: As received.
        redact: Takes the token out of what a server may have echoed; before anything is cut off,
            because half a token is not known as one.
    """
    try:
        told = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorBody(is_remote=False, text="", is_about_account=False)
    message = told.get("message")
    text = redact(message.strip())[:_MESSAGE_LENGTH] if isinstance(message, str) else ""
    is_about_account = "integrated account" in text.lower().replace("_", " ")
    if not text and told.get("raw_response"):
        raw = told["raw_response"]
        shown = raw if isinstance(raw, str) else msgspec.json.encode(raw).decode()
        text = f"the app said {redact(shown)[:_EXCERPT_LENGTH]}"
    insights = [text.rstrip("."), *_iter_insights(told.get("truto_error_insight"), redact)]
    return ErrorBody(
        is_remote=told.get("truto_is_remote_error") is True,
        text="; ".join(one for one in insights if one),
        is_about_account=is_about_account,
    )


def build_refusal(subject: Subject, *, status: int, told: ErrorBody) -> TrutoError:
    """Build the exception for a status that is not tried again.

    Args:
        subject: What was asked for.
        status: The HTTP status of the answer.
        told: Its body.

    Returns:
        The exception, to be raised by the caller.
    """
    verdict = _find_verdict(status, told)
    who = "The app behind Truto" if told.is_remote else "Truto"
    reason = f": {told.text}." if told.text else "."
    is_of_account = subject.integrated_account_id is not None or status == UNAUTHORIZED
    return verdict.error(
        f"{who} answered {status} to {subject}{reason}",
        advice=verdict.advice if is_of_account else _NOT_OF_AN_ACCOUNT,
        integrated_account_id=subject.integrated_account_id,
    )


def _find_verdict(status: int, told: ErrorBody) -> _Verdict:
    if status == UNAUTHORIZED:
        return _NEEDS_REAUTH if told.is_remote else _REJECTED
    if status in _VERDICTS:
        return _VERDICTS[status]
    is_refusal = 400 <= status < 500
    return _REFUSED if is_refusal else _UNEXPECTED


def _iter_insights(insight: object, redact: Callable[[str], str]) -> list[str]:
    if not isinstance(insight, dict):
        return []
    found: list[str] = []
    for key, one in cast("dict[str, object]", insight).items():
        told = cast("dict[str, object]", one) if isinstance(one, dict) else {}
        value = told.get("value")
        if key.startswith("missing_required_"):
            what = key.removeprefix("missing_required_").replace("_", " ")
            found.append(f"missing {what}: {_list(value, redact)}")
        elif key == "forbidden_error" and isinstance(value, dict):
            scopes = cast("dict[str, object]", value).get("missing_scopes")
            found.append(f"missing scopes: {_list(scopes, redact)}")
        elif key not in {"remote_error", "rate_limit_error"} and told.get("description"):
            found.append(redact(str(told["description"]))[:_EXCERPT_LENGTH])
    return found


def _list(value: object, redact: Callable[[str], str]) -> str:
    if isinstance(value, list):
        return redact(", ".join(str(one) for one in cast("list[object]", value))) or "none named"
    return redact(str(value))[:_EXCERPT_LENGTH] if value else "none named"
