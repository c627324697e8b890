"""Markers are found in bytes and taken out of texts, however they are written there. Pure."""

import json
from collections.abc import Iterator

import pytest

from truto_groups.text.markers import FORGOTTEN, Markers
from truto_groups.text.visible import show_in_markdown

NAME = 'Ops "east" | Zürich'
KEY = "acme.okta.62f44730"


def cut(content: bytes, size: int) -> Iterator[bytes]:
    return (content[first : first + size] for first in range(0, len(content), size))


@pytest.mark.parametrize("size", [1, 7, 64, 5000, 100_000])
def test_each_place_is_counted_once_wherever_a_file_is_cut(size: int) -> None:
    content = b"\0" * 9000 + f"{KEY}, {NAME}".encode() + b"x" * 9000 + KEY.encode()
    found = Markers([KEY, NAME]).find_in_chunks(cut(content, size))
    assert found == {KEY: 2, NAME: 1}


@pytest.mark.parametrize("padding", [0, 10_000], ids=["short", "long"])
def test_it_is_found_in_json_in_json_that_stands_in_json_and_in_markdown(padding: int) -> None:
    once = json.dumps({"name": NAME})
    for text in (NAME, once, json.dumps(once), json.dumps(show_in_markdown(NAME))):
        content = b"." * padding + text.encode()
        assert Markers([NAME, "something else"]).find(content) == {NAME: 1}


def test_a_key_that_another_begins_with_stays_in_the_other() -> None:
    markers = Markers([KEY])
    assert markers.replace(f"{KEY}, {KEY}5 and x{KEY}") == f"{FORGOTTEN}, {KEY}5 and x{KEY}"
    assert markers.find_words(f"{KEY}5") == set()


def test_the_longest_of_two_that_begin_alike_is_taken_out_whole() -> None:
    assert Markers(["acme", KEY]).replace(f"{KEY} of acme") == f"{FORGOTTEN} of {FORGOTTEN}"


def test_what_looks_like_json_between_texts_leaves_the_structure_whole() -> None:
    text = json.dumps({"a": [None, None, None], "b": f"by {NAME}", NAME: 1})
    changed = json.loads(Markers(["null, null, null", '": [null', NAME]).replace_in_json(text))
    assert changed == {"a": [None, None, None], "b": f"by {FORGOTTEN}", FORGOTTEN: 1}
