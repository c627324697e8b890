"""Numbers, durations and ages in words. Values in, texts out."""

from datetime import UTC, datetime, timedelta

import pytest

from truto_groups.text.words import (
    cut_at_word,
    cut_in_middle,
    say_age,
    say_count,
    say_duration,
    shorten_words,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 accounts"), (1, "1 account"), (1200, "1,200 accounts")]
)
def test_a_number_goes_with_its_noun(number: int, said: str) -> None:
    assert say_count(number, "account") == said


@pytest.mark.parametrize(
    ("duration", "said"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(minutes=45), "45 min"),
        (timedelta(hours=24, seconds=-1), "23 h 59 min"),
        (timedelta(days=2, hours=3, minutes=59), "2 d 3 h"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(duration: timedelta, said: str) -> None:
    assert say_duration(duration) == said


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(hours=-1), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(hours=48), "2 d ago"),
    ],
)
def test_an_age_is_said_in_one_unit(age: timedelta, said: str) -> None:
    assert say_age(NOW - age, now=NOW) == said


def test_what_never_was_has_no_age() -> None:
    assert say_age(None, now=NOW) is None


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("short", 5, "short"),
        ("one two three", 8, "one two…"),
        ("one two three", 9, "one two…"),
        ("one two three", 10, "one two…"),
        ("one, two", 5, "one…"),
        ("unbroken", 4, "unb…"),
    ],
)
def test_a_long_text_ends_at_a_word(text: str, most: int, cut: str) -> None:
    assert cut_at_word(text, most) == cut
    assert len(cut) <= most


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("as it is", 8, "as it is"),
        ("it went wrong in some way. Do this.", 24, "it went… way. Do this."),
        ("unbroken", 6, "u… ken"),
    ],
)
def test_a_long_text_keeps_its_end_where_its_middle_is_cut(text: str, most: int, cut: str) -> None:
    assert cut_in_middle(text, most) == cut
    assert len(cut) <= most


def test_only_the_middle_of_a_long_word_is_taken_out() -> None:
    assert shorten_words("a remote_data.profile.size b", 10) == "a remo….size b"
    assert shorten_words("exactly-10", 10) == "exactly-10"
