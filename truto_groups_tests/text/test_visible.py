"""Text from outside, made fit for a log and Markdown. Nothing is faked."""

import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truto_groups.report.markdown import Link, draw_table
from truto_groups.text.logs import get_logger
from truto_groups.text.secrecy import hide
from truto_groups.text.visible import (
    read_out_markdown,
    show,
    show_in_cell,
    show_in_markdown,
    show_lines,
)

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
DANGEROUS = ("Cc", "Cf", "Cs", "Zl", "Zp")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x9b2J\x85", "\\x9b2J\\x85"),
        ("a\u202egnp.exe\u2066", "a\\u202egnp.exe\\u2066"),
        ("zero\u200bwidth\ufeff\u2060", "zero\\u200bwidth\\ufeff\\u2060"),
        ("two\nlines\r\tand\u2028more", "two\\nlines\\r\\tand\\u2028more"),
        ("half \ud83d and a tag \U000e0041", "half \\ud83d and a tag \\U000e0041"),
        ("Zoë 技术 🚀 e\u0301", "Zoë 技术 🚀 e\u0301"),
    ],
    ids=["escape", "C1", "bidi", "zero width", "lines", "surrogate", "letters stay"],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert show(text) == shown


@given(ANY_TEXT)
def test_nothing_that_a_terminal_obeys_gets_through(text: str) -> None:
    for shown in (show(text), show_in_cell(text), show_in_markdown(text)):
        assert not {unicodedata.category(character) for character in shown} & set(DANGEROUS)
        shown.encode()
    assert show_lines(text).replace("\n", "") == "".join(map(show, text.split("\n")))


@given(ANY_TEXT)
def test_in_markdown_every_sign_of_its_own_is_escaped(text: str) -> None:
    shown = show_in_markdown(text)
    signs = "`*_[]<>|~#!&"
    rest = shown.replace("\\\\", "")
    for sign in signs:
        assert rest.count(sign) == rest.count(f"\\{sign}")


@given(ANY_TEXT)
def test_what_markdown_shows_of_an_escaped_text_can_be_read_back(text: str) -> None:
    assert read_out_markdown(show_in_markdown(text)) == show_in_cell(text)


def test_a_name_makes_no_link_image_cell_code_or_html_in_a_table() -> None:
    name = "![x](http://evil) | `code` <b>\n# title\u202e"

    table = draw_table(("account", "name"), [(Link(name, "/x"), name)], count=1, most=1, see_all="")

    shown = "\\!\\[x\\](http://evil) \\| \\`code\\` \\<b\\> \\# title\\\\u202e"
    assert table.endswith(f"\n| [{shown}](/x) | {shown} |")


def test_a_log_line_has_no_secret_and_no_control_character(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hide("l0gged-s3cret")
    logger = get_logger("truto_groups.tried")
    try:
        raise ValueError("with l0gged-s3cret \x1b[0m")
    except ValueError:
        logger.exception("Of %s: %s", "acme\n\x1b[31m", "l0gged-s3cret")

    assert "Of acme\\n\\x1b[31m: [secret]" in caplog.text
    assert "l0gged-s3cret" not in caplog.text
    assert "\x1b" not in caplog.text
    assert "ValueError: with [secret]" in caplog.text
    assert logging.getLogger("truto_groups.tried") is get_logger("truto_groups.tried")
    assert len(logger.filters) == 1
