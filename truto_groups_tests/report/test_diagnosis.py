"""One page about an account: what is cut says so, what is private is its type. Pure."""

from datetime import UTC, datetime
from typing import Any

from truto_groups.report.diagnosis import Diagnosis, as_types, write_diagnosis


def write(answer: Any) -> str:
    return write_diagnosis(
        Diagnosis(
            account={"partition_key": "acme.okta.62f44730"},
            at=datetime(2026, 3, 1, tzinfo=UTC),
            request="https://api.truto.one/unified",
            listing_count=1,
            status=200,
            problem="",
            is_of_token=False,
            limits={},
            call=None,
            answer=answer,
            error=None,
            groups=(),
            attempts=(),
            findings=(),
            settings={},
            is_private=False,
        )
    )


def test_an_answer_that_is_cut_says_by_how_much() -> None:
    assert "characters more are not shown" not in write("x" * 19_998)
    assert "(7 characters more are not shown.)" in write("x" * 20_005)


def test_each_value_of_a_private_account_is_its_type() -> None:
    value = {"a": [True, False, 1, 2.5, None, "x", {"b": "y"}]}
    types = ["boolean", "boolean", "number", "number", None, "string", {"b": "string"}]
    assert as_types(value) == {"a": types}
