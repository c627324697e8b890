"""The exceptions themselves: real, nothing faked."""

import pickle
from collections.abc import Iterator

import pytest

from truto_groups import errors
from truto_groups.errors import (
    AccountNeedsReauthError,
    DatabaseError,
    NotFoundError,
    SettingsError,
    TrutoError,
    TrutoGroupsError,
    summarize_kind,
)


def iter_kinds(base: type[TrutoGroupsError]) -> Iterator[type[TrutoGroupsError]]:
    yield base
    for kind in base.__subclasses__():
        yield from iter_kinds(kind)


EVERY_KIND = sorted(
    (kind for kind in iter_kinds(TrutoGroupsError) if kind.__module__ == errors.__name__),
    key=lambda kind: kind.__name__,
)


def test_an_error_is_one_paragraph_of_message_and_advice() -> None:
    error = SettingsError("The file\n  is wrong.", advice="Mend\nit.")
    assert str(error) == "The file is wrong. Mend it."
    assert (error.message, error.advice) == ("The file is wrong.", "Mend it.")


def test_what_the_system_says_gets_its_full_stop_before_the_advice() -> None:
    error = TrutoGroupsError("It cannot be read: Is a directory", advice="Name a file.")

    assert str(error) == "It cannot be read: Is a directory. Name a file."


def test_an_error_without_advice_is_its_message() -> None:
    assert str(DatabaseError("It is held.")) == "It is held."


def test_no_two_errors_share_a_kind() -> None:
    kinds = [kind.kind for kind in EVERY_KIND]
    assert len(set(kinds)) == len(kinds)
    assert all(kind == kind.lower() and kind.replace("_", "").isalpha() for kind in kinds)


def test_every_kind_is_summed_up_in_words_and_one_that_is_unknown_by_its_name() -> None:
    of_no_account = {"acceptance_refused", "review_refused", "unknown_name", "missing_package"}
    of_no_account |= {"error", "export", "doubtful_listing"}
    for kind in {kind.kind for kind in EVERY_KIND} - of_no_account:
        assert summarize_kind(kind) != summarize_kind(TrutoGroupsError.kind)
        assert "_" not in summarize_kind(kind)
    assert summarize_kind(NotFoundError.kind) == f"The {NotFoundError.summary[4:]}."
    assert summarize_kind("of_old") == "Of old."


def test_every_error_is_drawn_in_the_tree() -> None:
    for kind in EVERY_KIND:
        assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.__name__)
def test_an_error_crosses_a_process_boundary_whole(kind: type[TrutoGroupsError]) -> None:
    error = kind("It broke.", advice="Mend it.")
    if isinstance(error, TrutoError):
        error = type(error)("It broke.", advice="Mend it.", integrated_account_id="a-1")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_only_what_a_retry_cannot_help_is_permanent() -> None:
    permanent = {kind.kind for kind in EVERY_KIND if kind.is_permanent}
    assert permanent == {
        "settings",
        "account_needs_reauth",
        "bad_request",
        "forbidden",
        "not_found",
        "method_not_allowed",
        "conflict",
        "unprocessable",
        "request_refused",
        "redirect_refused",
        "too_many_pages",
        "answer_too_large",
    }


def test_an_error_of_truto_knows_its_account() -> None:
    error = AccountNeedsReauthError("No.", integrated_account_id="a-1")
    assert error.integrated_account_id == "a-1"
