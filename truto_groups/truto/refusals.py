"""Turn an answer that is no success into the exception that tells it, from Truto's own error body.

Pure: a status and a body in, an exception out. Whether something is tried again is retry.py's. Of
what others wrote, a bounded part is told, without the token.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import msgspec
from msgspec import Raw

from truto_groups.errors import (
    AccountNeedsReauthError,
    BadRequestError,
    ConflictError,
    CursorRefusedError,
    ErrorAnswerError,
    ForbiddenError,
    MethodNotAllowedError,
    NotFoundError,
    RequestRefusedError,
    TokenRejectedError,
    TrutoError,
    UnexpectedAnswerError,
    UnprocessableError,
)
from truto_groups.truto.json_repair import UNREADABLE, mend

UNAUTHORIZED: Final = 401
_MESSAGE_LENGTH: Final = 500
_EXCERPT_LENGTH: Final = 200
_TEXT_LENGTH: Final = 1500
_MENDED_LENGTH: Final = 64 << 10
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
# For a body that cannot be read: taking an app's 401 for Truto's own would end the whole run.
_REMOTE: Final = re.compile(rb'"truto_is_remote_error"\s*:\s*"?true')
_RATE_LIMIT: Final = re.compile(
    r"rate[\s_-]*limit|too[\s_-]*many[\s_-]*requests|throttl|quota[\s_-]*exceed"
    r"|(?:requests?|calls?|api|daily|hourly)[\s_-]*limit[\s_-]*exceed|exceeded.{0,40}quota",
    re.IGNORECASE,
)
_NO_RIGHT: Final = re.compile(r"scope|permission|privilege|forbidden_error", re.IGNORECASE)

_LOOK_AT_THE_QUERY: Final = (
    "Give what the integration needs under `query` in the settings file, for the integration or "
    "for this account."
)


_NOT_OF_AN_ACCOUNT: Final = (
    "Check the base URL, and that TRUTO_API_TOKEN (or the variable that token_variable names) is "
    "an API token of the environment: the token of a single integrated account may not ask this."
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
    "Set TRUTO_API_TOKEN (or the variable that token_variable names) to a valid API token of the "
    "environment that holds the accounts; the old one may have expired.",
)
_NEEDS_REAUTH: Final = _Verdict(
    AccountNeedsReauthError,
    "Have its owner reconnect the account through a Truto link; it is synced again after that.",
)
_REFUSED: Final = _Verdict(RequestRefusedError, "Look the status up in Truto's documentation.")
_UNEXPECTED: Final = _Verdict(
    UnexpectedAnswerError, "Check the base URL, and whether something stands between us and Truto."
)
_TOLD: Final = _Verdict(
    ErrorAnswerError,
    "Nothing was taken from it; the next sync tries again. If it stays like this, ask Truto's "
    "support.",
)
_CURSOR_REFUSED: Final = _Verdict(
    CursorRefusedError,
    "Truto had given the cursor with the page before, and takes it no more. Nothing was published; "
    "the next sync begins with the first page. If it stays like this, a larger `page_size` in the "
    "settings file needs fewer pages; Truto's support can tell how long a cursor lasts.",
)
_OF_A_CURSOR: Final = frozenset({400, 404, 410, 422})


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked for, as an error names it.

    Attributes:
        what: The call, such as "List Groups, page 3".
        integrated_account_id: The account it is for, if any.
        integration: That account's integration, where it is known.
        is_continued: Whether it is asked for with the cursor of a page that was answered.
    """

    what: str
    integrated_account_id: str | None = None
    integration: str | None = None
    is_continued: bool = False

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
        is_rate_limit: It says that there were too many requests.
        lacks_scopes: It names scopes that are missing, which no waiting gives.
    """

    is_remote: bool = False
    text: str = ""
    is_about_account: bool = False
    is_rate_limit: bool = False
    lacks_scopes: bool = False


def shorten(text: str, length: int = _EXCERPT_LENGTH) -> str:
    """Cut a text that somebody else wrote; redact it before, for half a token is not known as one.

    Returns:
        At most ``length`` characters.
    """
    return text if len(text) <= length else f"{text[: length - 1]}…"


def read_error_body(body: bytes, *, redact: Callable[[str], str]) -> ErrorBody:
    """Read an error body; one that is no JSON object says nothing, not even an excerpt.

    Args:
        body: As received.
        redact: Takes the token out of what a server may have echoed.
    """
    told = _read_fields(body)
    if told is None:
        return ErrorBody(is_remote=_REMOTE.search(body) is not None)
    message = redact(_write(told.get("message")).strip())
    raw = redact(_write(told.get("raw_response")))
    said = message or (raw and f"the app said {shorten(raw)}") or redact(_write_error(told))
    insight = _read_object(told.get("truto_error_insight"))
    texts = [shorten(said, _MESSAGE_LENGTH).rstrip("."), *_iter_insights(insight, redact)]
    forbidden = _read_key(insight.get("forbidden_error"), "value")
    words = f"{message[:_TEXT_LENGTH]} {raw[:_TEXT_LENGTH]}"
    return ErrorBody(
        is_remote=bytes(told.get("truto_is_remote_error", Raw())) in (b"true", b'"true"'),
        text=shorten("; ".join(one for one in texts if one), _TEXT_LENGTH),
        is_about_account="integrated account" in message[:_TEXT_LENGTH].lower().replace("_", " "),
        is_rate_limit="rate_limit_error" in insight
        or (_RATE_LIMIT.search(words) is not None and _NO_RIGHT.search(words) is None),
        lacks_scopes=bool(_read_key(forbidden, "missing_scopes")),
    )


def build_refusal(
    subject: Subject, *, status: int | None, told: ErrorBody, is_inside: bool = False
) -> TrutoError:
    """Build the exception for a status that is not tried again.

    Args:
        subject: What was asked for.
        status: The HTTP status of the answer; None when only its body calls itself an error.
        told: Its body.
        is_inside: Whether the status stands in the body of an answer with status 200.

    Returns:
        The exception, to be raised by the caller.
    """
    verdict = _find_verdict(status, told, subject=subject, is_inside=is_inside)
    who = "The app behind Truto" if told.is_remote else "Truto"
    what = str(status)
    if is_inside:
        what = "200 and an error" if status is None else f"200 and an error of status {status}"
    reason = f": {told.text}." if told.text else "."
    is_of_account = (
        subject.integrated_account_id is not None
        or status == UNAUTHORIZED
        or verdict in (_TOLD, _CURSOR_REFUSED)
    )
    # A rejected token is told of every account that was under way, so it names none.
    asked = subject.what.rstrip(",") if verdict is _REJECTED else subject
    return verdict.error(
        f"{who} answered {what} to {asked}{reason}",
        advice=verdict.advice if is_of_account else _NOT_OF_AN_ACCOUNT,
        integrated_account_id=subject.integrated_account_id,
    )


def _find_verdict(
    status: int | None, told: ErrorBody, *, subject: Subject, is_inside: bool
) -> _Verdict:
    if status is None:
        return _TOLD
    if status == UNAUTHORIZED and not told.is_remote:
        # Whoever refuses the token does not answer 200.
        return _TOLD if is_inside else _REJECTED
    if status == UNAUTHORIZED:
        return _NEEDS_REAUTH
    if subject.is_continued and status in _OF_A_CURSOR:
        return _CURSOR_REFUSED
    if status in _VERDICTS:
        return _VERDICTS[status]
    is_refusal = 400 <= status < 500
    return _REFUSED if is_refusal else _UNEXPECTED


def _read_fields(body: bytes) -> dict[str, Raw] | None:
    try:
        return _FIELDS.decode(body)
    except UNREADABLE:
        pass
    try:
        # Mending takes its time, and other accounts wait meanwhile.
        return _FIELDS.decode(mend(body)) if len(body) <= _MENDED_LENGTH else None
    except UNREADABLE:
        return None


def _write(raw: Raw | None) -> str:
    """A text as it is, anything else as its JSON; nothing for what is empty."""
    found = b"" if raw is None else bytes(raw)
    if found in (b"null", b"{}", b"[]"):
        return ""
    try:
        return msgspec.json.decode(found, type=str) if found[:1] == b'"' else found.decode()
    except UNREADABLE:
        return found.decode("utf-8", "replace")


def _write_error(told: Mapping[str, Raw]) -> str:
    return _write(told.get("errors")) or _write(told.get("error"))


def _read_object(raw: Raw | None) -> dict[str, object]:
    try:
        return msgspec.json.decode(raw or b"{}", type=dict[str, object])
    except UNREADABLE:
        return {}


def _iter_insights(insight: Mapping[str, object], redact: Callable[[str], str]) -> Iterator[str]:
    for key, one in insight.items():
        told = cast("dict[str, object]", one) if isinstance(one, dict) else {}
        value = told.get("value")
        if key.startswith("missing_required_"):
            what = redact(key).removeprefix("missing_required_").replace("_", " ")
            yield f"missing {shorten(what)}: {_list(value, redact)}"
        elif key == "forbidden_error" and isinstance(value, dict):
            scopes = cast("dict[str, object]", value).get("missing_scopes")
            yield f"missing scopes: {_list(scopes, redact)}"
        elif key not in {"remote_error", "rate_limit_error"} and told.get("description"):
            yield shorten(redact(str(told["description"])))


def _read_key(value: object, name: str) -> object:
    return cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None


def _list(value: object, redact: Callable[[str], str]) -> str:
    if isinstance(value, list):
        names = redact(", ".join(str(one) for one in cast("list[object]", value)))
        return shorten(names, _MESSAGE_LENGTH) or "none named"
    return shorten(redact(str(value))) if value else "none named"
