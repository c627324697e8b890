"""Pages are taken apart into records without touching a letter of them. Pure."""

import json

import msgspec
import pytest

from truto_groups.sync.split import split_records

RECORDS = [
    '{"id":1.50}',
    '{ "id" : "a" , "name":null }',
    "[1, 2]",
    '"text"',
    "12345678901234567890.5e-3",
    "null",
    '{"id":"\\u00e9\\n"}',
    "{}",
]


def test_records_are_cut_out_as_they_stand() -> None:
    assert split_records(f"[ {' , '.join(RECORDS)} ]").records == RECORDS


def test_an_empty_array_has_no_records() -> None:
    page = split_records("[]")
    assert (page.records, page.remote_data, page.other_fields) == ([], [], [])


def test_documented_fields_leave_no_other_fields() -> None:
    record = {
        "id": "1",
        "name": "A",
        "group_type": "team",
        "description": None,
        "organization": "o",
        "created_at": "2024-01-01",
        "updated_at": None,
        "remote_data": {"x": 1},
    }
    page = split_records(json.dumps([record]))
    assert (page.remote_data, page.other_fields) == (['{"x": 1}'], [""])


def test_one_record_with_another_field_leaves_those_of_the_others_alone() -> None:
    page = split_records('[{"id":1,"remote_data":[1]},{"id":2,"extra": 1.0 },7]')
    assert page.remote_data == ["[1]", "", ""]
    assert page.other_fields == ["", '{"extra":1.0}', ""]


def test_the_name_of_another_field_is_written_as_json() -> None:
    page = split_records('[{"id":1,"a\\"b\\u00e9":1}]')
    assert json.loads(page.other_fields[0]) == {'a"bé': 1}


@pytest.mark.parametrize("remote_data", ["null", '""', "0", "false", "[]", "{}"])
def test_only_null_counts_as_no_remote_data(remote_data: str) -> None:
    page = split_records(f'[{{"id":1,"remote_data":{remote_data}}}]')
    assert page.remote_data == ["" if remote_data == "null" else remote_data]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ([["a"]], '{"a":1.50}'),
        ([["b", "c"], ["b", "d"]], '{"b":{"c":"x","d":[1]}}'),
        ([["e", "f"]], '{"e":[{"f":1},null,{"f":null}]}'),
        ([["a", "deeper"]], ""),
        ([["zzz"]], ""),
        ([["a"], ["zzz"]], '{"a":1.50}'),
        ([["urn:x:2.0:Group", "g"]], '{"urn:x:2.0:Group":{"g":7}}'),
    ],
    ids=[
        "a value",
        "two below one",
        "through an array",
        "below a number",
        "none",
        "one of two",
        "a key with dots",
    ],
)
def test_paths_keep_what_they_lead_to_and_nothing_beside_it(
    keep: list[list[str]], kept: str
) -> None:
    remote = (
        '{"a":1.50,"b":{"c":"x","d":[1],"z":0},"e":[{"f":1,"g":2},{"g":3},{"f":null}],'
        '"urn:x:2.0:Group":{"g":7,"h":8}}'
    )
    page = split_records(
        f'[{{"id":1,"remote_data":{remote}}}]', keep=tuple(tuple(path) for path in keep)
    )
    assert page.remote_data == [kept]


@pytest.mark.parametrize("text", ["", "{}", "[1", "[1,]", '[{"id":}]', "null"])
def test_what_is_no_array_of_json_raises(text: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        split_records(text)
