"""Every exception of the package, told in words that say what to do.

Only what went wrong and what helps: no HTTP, no database, no Dagster. Which answer of Truto
becomes which exception is decided in truto/.

    TrutoGroupsError
    ├── SettingsError                 a variable or the settings file is wrong
    ├── DatabaseError                 the database cannot be opened, written or trusted
    │   ├── LostTransactionError      a lake's, to another writer or with its server
    │   │   └── TurnLostError         the turn to write was lost before what it wrote was committed
    │   ├── RawRecordsError           of one account: what is kept of it is not whole
    │   └── TooLargeError             of one account: its rows need more memory than there is
    ├── AcceptanceRefusedError        what was to be accepted has moved on, or makes no rows
    ├── ReviewRefusedError            a review is not written down as it was asked for
    ├── UnknownNameError              an account, tenant, integration or type that is nobody's
    ├── MissingPackageError           what hands rows over in that form is not installed
    ├── ExportError                   a file cannot be written where it is wanted
    ├── UnforeseenError               of one account: what nobody thought of
    └── TrutoError                    what Truto said, or failed to say
        ├── DoubtfulListingError      an empty or broken listing makes nobody disappear
        ├── TokenRejectedError        stops the whole run
        ├── AccountNeedsReauthError   ┐
        ├── BadRequestError           │
        ├── ForbiddenError            │
        ├── NotFoundError             │ permanent: wait for other settings or another listing
        ├── MethodNotAllowedError     │
        ├── ConflictError             │
        ├── UnprocessableError        │
        ├── RequestRefusedError       │
        ├── RedirectRefusedError      │
        ├── TooManyPagesError         │
        ├── AnswerTooLargeError       ┘
        ├── UnexpectedAnswerError     ┐
        ├── ErrorAnswerError          │
        ├── RetriesExhaustedError     │
        ├── EnvelopeError             │ may be gone at the next attempt
        ├── PaginationError           │
        ├── CursorRefusedError        │
        └── CompletionError           ┘
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import ClassVar

from truto_groups.text.secrecy import redact

_SHOWN_OF_A_FOREIGN_ERROR = 500


class TrutoGroupsError(Exception):
    """The base of all: one paragraph, what was wrong and then what to do.

    Attributes:
        kind: Stable snake_case word for the ledger's ``error_kind``.
        summary: The kind in a few words, a sentence but for its beginning and end.
        is_permanent: Whether another attempt is pointless until the settings or the listing change.
        message: What was wrong, and where.
        advice: What a person can do about it.
    """

    kind: ClassVar[str] = "error"
    summary: ClassVar[str] = "something went wrong"
    is_permanent: ClassVar[bool] = False

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Say what was wrong, and what to do about it; no secret that is known stays in it."""
        self.message = _flatten(redact(message))
        self.advice = _flatten(redact(advice))
        super().__init__(f"{_stop(self.message)} {self.advice}" if self.advice else self.message)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with every attribute."""
        # Exceptions rebuild themselves from `args`, which knows no keyword: without this, none of
        # ours would cross a process boundary with its advice and account.
        return (_restore, (type(self), self.args, self.__dict__.copy()))


class SettingsError(TrutoGroupsError):
    """A variable or the settings file is missing or wrong. A retry cannot help.

    Attributes:
        mistakes: Each mistake with what would be right, where the message tells several.
    """

    kind = "settings"
    summary = "a setting of it is wrong"
    is_permanent = True
    mistakes: Sequence[str] = ()


class DatabaseError(TrutoGroupsError):
    """The database cannot be opened, is held, is full, or belongs to another Truto.

    A retry helps once the program that holds it has ended or there is room again.
    """

    kind = "database"
    summary = "the database refused what it sent"


class LostTransactionError(DatabaseError):
    """A lake's transaction came to nothing, or its end is not known: a retry may get through.

    Another wrote the same table first, or the catalogue's server or the object store went away.
    """

    kind = "lost_transaction"
    summary = "what was written of it was lost with the database's server"


class TurnLostError(LostTransactionError):
    """The turn to write was lost before the COMMIT, so that nothing was written.

    A retry of the whole transaction helps.
    """

    kind = "turn_lost"


class RawRecordsError(DatabaseError):
    """The raw records that are kept of an account cannot be read back, or are not all there.

    Concerns that account alone; what is published stays.
    """

    kind = "raw_records"
    summary = "what is kept of its raw records is not whole"


class TooLargeError(DatabaseError):
    """The rows of an account are so long that they need more memory at once than a run takes.

    Concerns that account alone; what is published stays. A retry cannot help while they are.
    """

    kind = "too_large"
    summary = "its rows need more memory than there is"


class AcceptanceRefusedError(TrutoGroupsError):
    """What a person wanted to accept cannot be, or is no longer what was shown. Nothing changed."""

    kind = "acceptance_refused"


class ReviewRefusedError(TrutoGroupsError):
    """A review that cannot be written down as it was asked for; nothing was written."""

    kind = "review_refused"


class UnknownNameError(TrutoGroupsError, LookupError):
    """What was named is not there. Another name helps."""

    kind = "unknown_name"


class MissingPackageError(TrutoGroupsError, ImportError):
    """An optional package is not installed. Installing it helps."""

    kind = "missing_package"


class ExportError(TrutoGroupsError):
    """An export cannot be written where it is wanted. Another place helps."""

    kind = "export"


class UnforeseenError(TrutoGroupsError):
    """Something that nobody thought of went wrong with one account; the others go on.

    May be gone at the next attempt.
    """

    kind = "unforeseen"
    summary = "something unforeseen came"


class TrutoError(TrutoGroupsError):
    """Truto, or the app behind it, did not give a usable answer.

    Attributes:
        integrated_account_id: The account that was asked for; None when no single one was.
    """

    kind = "truto"
    summary = "Truto gave no usable answer"

    def __init__(
        self, message: str, *, advice: str = "", integrated_account_id: str | None = None
    ) -> None:
        """Say what was wrong, for which account, and what to do about it."""
        self.integrated_account_id = integrated_account_id
        super().__init__(message, advice=advice)


class DoubtfulListingError(TrutoError):
    """A listing of accounts is empty, or lacks too many, so that nobody is taken as gone.

    The next listing may be whole.
    """

    kind = "doubtful_listing"


class TokenRejectedError(TrutoError):
    """Truto itself answered 401: the API token is wrong. No account can be synced with it.

    Says nothing of the accounts: with another token they are synced at once.
    """

    kind = "token_rejected"
    summary = "Truto rejects the token"


class AccountNeedsReauthError(TrutoError):
    """The app answered 401 through Truto. Only reconnecting the account helps."""

    kind = "account_needs_reauth"
    summary = "the app wants it to be connected again"
    is_permanent = True


class BadRequestError(TrutoError):
    """400: as a rule, a query parameter that the integration requires is missing."""

    kind = "bad_request"
    summary = "Truto refuses what is asked"
    is_permanent = True


class ForbiddenError(TrutoError):
    """403: the connection lacks a scope or a right."""

    kind = "forbidden"
    summary = "the app forbids reading its groups"
    is_permanent = True


class NotFoundError(TrutoError):
    """404: the account, or the resource of its integration, does not exist."""

    kind = "not_found"
    summary = "the app knows no groups where it was asked for them"
    is_permanent = True


class MethodNotAllowedError(TrutoError):
    """405: the integration does not offer this call."""

    kind = "method_not_allowed"
    summary = "its integration does not offer groups"
    is_permanent = True


class ConflictError(TrutoError):
    """409: the account is in a state that forbids the call."""

    kind = "conflict"
    summary = "its state at Truto forbids reading"
    is_permanent = True


class UnprocessableError(TrutoError):
    """422: a query parameter has a value that cannot be used."""

    kind = "unprocessable"
    summary = "Truto cannot use a query parameter"
    is_permanent = True


class RequestRefusedError(TrutoError):
    """Any other 4xx, which refuses the request for good."""

    kind = "request_refused"
    summary = "Truto refuses what is asked"
    is_permanent = True


class RedirectRefusedError(TrutoError):
    """Truto's answer pointed to another server, which must not see the token."""

    kind = "redirect_refused"
    summary = "an answer points to another server"
    is_permanent = True


class AnswerTooLargeError(TrutoError):
    """One answer is larger than memory can bear. Another attempt asks for as much again.

    Only a smaller `page_size` helps, or leaving fields out.
    """

    kind = "answer_too_large"
    summary = "an answer is too large"
    is_permanent = True


class UnexpectedAnswerError(TrutoError):
    """A status that Truto does not document; the next sync may find it gone."""

    kind = "unexpected_answer"
    summary = "Truto answers with a status that it does not document"


class ErrorAnswerError(TrutoError):
    """Status 200, and a body that calls itself an error without a status of its own.

    It is neither data nor an empty answer; the next sync may find it gone.
    """

    kind = "error_answer"
    summary = "an answer is an error"


class RetriesExhaustedError(TrutoError):
    """What could have healed did not within the budget of attempts and seconds.

    The next sync may well succeed.
    """

    kind = "retries_exhausted"
    summary = "no attempt brought an answer"


class EnvelopeError(TrutoError):
    """The body is not JSON, or not the envelope that Truto documents.

    It is neither data nor an empty answer; the next sync may find it mended.
    """

    kind = "envelope"
    summary = "an answer cannot be read"


class PaginationError(TrutoError):
    """The pages do not end: a cursor came twice. The next sync may find it mended."""

    kind = "pagination"
    summary = "its pages never end"


class CursorRefusedError(TrutoError):
    """The cursor of a good page leads nowhere any more, twice. The next sync begins anew."""

    kind = "cursor_refused"
    summary = "its pages break off halfway"


class TooManyPagesError(TrutoError):
    """The account has more pages than `max_pages` allows. Another attempt asks for as many again.

    Only another `max_pages` helps, or fewer groups.
    """

    kind = "too_many_pages"
    summary = "it has more pages than allowed"
    is_permanent = True


class CompletionError(TrutoError):
    """A group of a partial answer could not be read whole through Get Group."""

    kind = "completion"
    summary = "a group could not be read whole"


def tell_unforeseen(integrated_account_id: str, error: BaseException) -> UnforeseenError:
    """Tell an exception that is none of ours, for the account whose data brought it about."""
    told = redact(" ".join(str(error).split()))[:_SHOWN_OF_A_FOREIGN_ERROR]
    return UnforeseenError(
        f"Something unforeseen went wrong with integrated account {integrated_account_id} "
        f"({type(error).__name__}: {told}).",
        advice="The rows published before stay; the next sync tries again. If it stays like this, "
        "report it, or set `skip: true` for the account in the settings file.",
    )


@cache
def find_permanent_kinds() -> frozenset[str]:
    """Return the kinds of failure that wait for other settings or another listing."""
    return frozenset(found.kind for found in _walk(TrutoGroupsError) if found.is_permanent)


def summarize_kind(kind: str) -> str:
    """Say in a short sentence what a kind of failure is, also one that only older ledgers know."""
    known = {found.kind: found.summary for found in _walk(TrutoGroupsError)}
    said = known.get(kind, kind.replace("_", " "))
    return f"{said[:1].upper()}{said[1:]}."


def _walk(error: type[TrutoGroupsError]) -> Iterator[type[TrutoGroupsError]]:
    yield error
    for below in error.__subclasses__():
        yield from _walk(below)


def _stop(text: str) -> str:
    # What a library or the system says comes without a full stop, and a sentence follows.
    return f"{text}." if text[-1:].isalnum() or text.endswith(("'", '"', ")")) else text


def _flatten(text: str) -> str:
    return " ".join(text.split())


def _restore(
    kind: type[TrutoGroupsError], args: tuple[object, ...], state: dict[str, object]
) -> TrutoGroupsError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error
