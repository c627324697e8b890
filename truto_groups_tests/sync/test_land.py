"""What a record becomes when it is landed: instants, ids, types, and text that nobody touched.

Real: msgspec and DuckDB; a record is JSON text, as the wire brings it. Nothing is faked.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truto_groups.errors import UnforeseenError
from truto_groups.settings import RemoteData
from truto_groups.sync.land import StagedPage, Staging
from truto_groups.warehouse.statements import statement
from truto_groups_tests.processes import python
from truto_groups_tests.stand import A, B, C, land_record, land_records

ROOT = Path(__file__).parents[2]


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


INSTANTS: dict[str, datetime] = {
    '"2024-01-02"': at(2024, 1, 2),
    '"2024-01-02T03:04:05"': at(2024, 1, 2, 3, 4, 5),
    '"2024-01-02 03:04:05"': at(2024, 1, 2, 3, 4, 5),
    '"2024-01-02T03:04"': at(2024, 1, 2, 3, 4),
    '"2024-01-02T03:04:05Z"': at(2024, 1, 2, 3, 4, 5),
    '"2024-01-02t03:04:05z"': at(2024, 1, 2, 3, 4, 5),
    '"2024-01-02T03:04:05.678Z"': at(2024, 1, 2, 3, 4, 5, 678_000),
    '"2024-01-02T03:04:05,678Z"': at(2024, 1, 2, 3, 4, 5, 678_000),
    '"2024-01-02T03:04:05.123456789Z"': at(2024, 1, 2, 3, 4, 5, 123_456),
    '"2024-01-02T03:04:05+05:30"': at(2024, 1, 1, 21, 34, 5),
    '"2024-01-02T03:04:05-0800"': at(2024, 1, 2, 11, 4, 5),
    '"2024-01-02T03:04:05+14"': at(2024, 1, 1, 13, 4, 5),
    '"20240102T030405Z"': at(2024, 1, 2, 3, 4, 5),
    '"20240102"': at(2024, 1, 2),
    '"2024-02-29"': at(2024, 2, 29),
    '"1969-07-20T20:17:40Z"': at(1969, 7, 20, 20, 17, 40),
    "1704164645": at(2024, 1, 2, 3, 4, 5),
    '"1704164645"': at(2024, 1, 2, 3, 4, 5),
    "1704164645.25": at(2024, 1, 2, 3, 4, 5, 250_000),
    "1704164645123": at(2024, 1, 2, 3, 4, 5, 123_000),
    "1.704164645123e12": at(2024, 1, 2, 3, 4, 5, 123_000),
    "1704164645123.4567": at(2024, 1, 2, 3, 4, 5, 123_457),
    "17041646450000e-4": at(2024, 1, 2, 3, 4, 5),
    "1704164645.000000000000000000001": at(2024, 1, 2, 3, 4, 5),
    "9999999999": at(2286, 11, 20, 17, 46, 39),
    "253402387200": at(1978, 1, 11, 21, 33, 7, 200_000),
    "946684800000": at(2000, 1, 1),
    "32503680000000": at(3000, 1, 1),
    "253402300799999": at(9999, 12, 31, 23, 59, 59, 999_000),
    '"0001-01-01T00:00:00Z"': at(1, 1, 1),
    '"0001-01-01T14:00:00+14:00"': at(1, 1, 1),
    '"9999-12-31T23:59:59.9999999Z"': at(9999, 12, 31, 23, 59, 59, 999_999),
    '"2024-01-02T24:00:00Z"': at(2024, 1, 3),
    '"1704164645123"': at(2024, 1, 2, 3, 4, 5, 123_000),
    "1.704164645e9": at(2024, 1, 2, 3, 4, 5),
    "946684800": at(2000, 1, 1),
}

NO_INSTANTS = [
    '"epoch"',
    '"infinity"',
    '"-infinity"',
    '"now"',
    '"today"',
    '"2023-02-29"',
    '"2024-13-01"',
    '"2024-01-32"',
    '"0000-00-00"',
    '"0000-01-01"',
    '"99999-01-01"',
    '"2024-01-02T03:04:05 America/New_York"',
    '"2024-01-02T03:04:05+25:00"',
    '"2024-01-02T03:04:05+02:75"',
    '"2024-01-02T25:04:05Z"',
    '"2024-01-02T23:59:60Z"',
    '"Tue, 02 Jan 2024 03:04:05 GMT"',
    '"01/02/2024"',
    '"2024"',
    '"2024-01"',
    '"yesterday"',
    '""',
    '" 2024-01-02"',
    '"2024-01-02\\n"',
    '"0"',
    "0",
    "-1",
    "2024",
    "99999",
    "1704164645123456",
    '"1704164645123456"',
    "202401011200",
    '"202401011200"',
    "20240102030405",
    "999912312359",
    "99991231235959",
    "20240102",
    "11111111",
    "253402300799",
    '"253402300799"',
    "253402300799.0",
    "253402318799",
    "253402300799999.9996",
    "253402300800000",
    "32503680000",
    "10000000000",
    "1704164645123456789",
    "1e400",
    "-0",
    "-0.0",
    "-1704164645",
    '"-1704164645"',
    '"+1704164645"',
    '" 1704164645"',
    '"01704164645"',
    '"1.7e12"',
    '"1704164645s"',
    '"\\uff11704164645"',
    '"\\uff12024-01-02"',
    '"0001-01-01T00:00:00+14:00"',
    '"9999-12-31T23:59:59-12:00"',
    '"9999-12-31T24:00:00Z"',
    '"2024-W01-2"',
    '"2024-002"',
    '"2024002"',
    '"2024-01-02T24:00:01Z"',
    '"2024-06-30T23:59:60+00:00"',
    "2024010112",
    '"2024010112"',
    "2024010112.0",
    "true",
    "{}",
    "[1704164645]",
]


@pytest.mark.parametrize(("text", "instant"), INSTANTS.items(), ids=list(INSTANTS))
def test_what_is_an_instant_is_read_in_utc(text: str, instant: datetime) -> None:
    row = land_record(f'{{"id": "1", "created_at": {text}, "updated_at": {text}}}')
    assert (row["created_at"], row["updated_at"]) == (instant, instant)
    assert not row["unreadable_instants"]


@pytest.mark.parametrize("text", NO_INSTANTS)
def test_what_is_no_instant_is_null_and_counted_and_never_a_wrong_instant(text: str) -> None:
    row = land_record(f'{{"id": "1", "created_at": {text}, "updated_at": "2024-01-02"}}')
    assert row["created_at"] is None
    assert row["updated_at"] == at(2024, 1, 2)
    assert row["unreadable_instants"] == ["created_at"]


def read_instants(values: Sequence[str]) -> list[datetime | None]:
    """Land a record for each JSON text of a value, and read back what it became."""
    rows = land_records([f'{{"id": "1", "created_at": {text}}}' for text in values])
    assert all((row["created_at"] is None) == bool(row["unreadable_instants"]) for row in rows)
    return [row["created_at"] for row in rows]


def test_the_usual_spelling_says_what_the_same_instant_says_in_another() -> None:
    """One is cast as it is, the other taken apart; what is no day or hour is none in both."""
    days = [
        f"{year}-{month:02}-{day:02}"
        for year in (1000, 1582, 1900, 2023, 2024, 2999)
        for month in (0, 1, 2, 12, 13)
        for day in (0, 1, 28, 29, 30, 31, 32)
    ]
    clocks = [f"{hour}:{rest}" for hour in (0, 23, 24) for rest in ("59:59", "59:60", "60:00")]
    moments = [f"{day}T12:30:00" for day in days] + [f"2024-02-29T{clock:0>8}" for clock in clocks]
    texts = [f"{moment}{part}" for moment in moments for part in ("", ".5", ".000001", ".999999")]
    usual = read_instants([f'"{text}Z"' for text in texts])
    assert usual == read_instants([f'"{text}+00:00"' for text in texts])
    assert None in usual
    assert at(2024, 2, 29, 12, 30, 0, 500_000) in usual


@st.composite
def iso_texts(draw: st.DrawFn) -> str:
    """What Python writes or reads, in any spelling, at the edges more often than elsewhere."""
    edges = [datetime.min, datetime.max, datetime(1, 1, 1, 14), datetime(9999, 12, 31, 9)]  # noqa: DTZ001, DTZ901
    moment = draw(st.datetimes() | st.sampled_from(edges))
    day = draw(
        st.sampled_from(
            [moment.strftime("%Y-%m-%d"), moment.strftime("%Y%m%d"), moment.strftime("%G-W%V-%u")]
        )
    ).rjust(8, "0")
    clock = draw(st.sampled_from(["%H:%M:%S.%f", "%H:%M:%S,%f", "%H:%M:%S", "%H%M%S", "%H:%M"]))
    zone = draw(
        st.sampled_from(["", "Z", "z", "+14:00", "-12:00", "+0530", "-00:00", "+23:59", "-01"])
    )
    separator = draw(st.sampled_from("Tt "))
    return draw(st.sampled_from([day, f"{day}{separator}{moment.strftime(clock)}{zone}"]))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.lists(iso_texts(), min_size=40, max_size=40))
def test_a_text_that_python_reads_is_the_same_instant_or_none(texts: list[str]) -> None:
    for text, found in zip(texts, read_instants([json.dumps(one) for one in texts]), strict=True):
        if found is not None:
            read = datetime.fromisoformat(text.upper())
            assert found == (read if read.tzinfo else read.replace(tzinfo=UTC)), text


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    st.lists(
        st.integers(-(10**20), 10**20)
        | st.integers(0, 20).flatmap(lambda n: st.integers(10**n, 10 ** (n + 1)))
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.floats(1e8, 3e14),
        min_size=40,
        max_size=40,
    )
)
def test_a_number_is_seconds_or_milliseconds_where_it_can_only_be_one_of_them(
    numbers: list[int | float],
) -> None:
    for number, found in zip(numbers, read_instants([json.dumps(n) for n in numbers]), strict=True):
        if found is None:
            continue
        is_seconds = 1e8 <= number < 1e10
        assert is_seconds or 253402387200 <= number < 253402300800000, number
        told = (found - at(1970, 1, 1)) / timedelta(milliseconds=1)
        assert told == pytest.approx(number * 1000 if is_seconds else number, abs=0.5), number


def test_no_epoch_of_an_age_in_which_groups_are_made_is_left_out() -> None:
    """What looks like a date written without separators is not taken: nothing until 2030 does."""
    seconds = [*range(315532800, 1893456000, 864_017)]
    texts = [str(one) for one in seconds] + [f"{one}000" for one in seconds]
    assert None not in read_instants(texts)


@pytest.mark.parametrize("record", ['{"id": "1"}', '{"id": "1", "created_at": null}'])
def test_an_instant_that_did_not_come_is_null_and_not_counted(record: str) -> None:
    row = land_record(record)
    assert row["created_at"] is None
    assert not row["unreadable_instants"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('"00u1"', "00u1"),
        ('" a/b?c "', " a/b?c "),
        ('"\\u00e9\\u4e2d"', "é中"),
        ("7", "7"),
        ("-7", "-7"),
        ("9223372036854775808", "9223372036854775808"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ('"007"', "007"),
    ],
)
def test_an_id_is_text_and_an_integer_keeps_its_digits(text: str, kept: str) -> None:
    assert land_record(f'{{"id": {text}}}')["id"] == kept


@pytest.mark.parametrize(
    "record",
    [
        "{}",
        '{"id": null}',
        '{"id": ""}',
        '{"id": 1.5}',
        '{"id": 1e3}',
        '{"id": true}',
        '{"id": {"a": 1}}',
        '{"id": ["1"]}',
        '{"ID": "1"}',
        "[1]",
        '"text"',
        "7",
        "null",
    ],
)
def test_what_identifies_nothing_has_no_id_and_is_counted(record: str) -> None:
    with Staging() as staging:
        staging.land([StagedPage(A, 1, f'[{record}, {{"id": "fine"}}]')])
        counts = staging.inspect([A])[A].counts
    assert (counts.record_count, counts.missing_id_count) == (2, 1)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('"team"', "team"),
        ('"Team"', "team"),
        ('"DEPARTMENT"', "department"),
        ('"group"', "group"),
        ('"Product"', "product"),
        ('"squad"', "unmapped"),
        ('"teams"', "unmapped"),
        ("7", "unmapped"),
        ("null", None),
    ],
)
def test_a_group_type_is_one_of_four_or_unmapped_and_what_came_is_kept(
    text: str, kept: str | None
) -> None:
    row = land_record(f'{{"id": "1", "group_type": {text}}}')
    received = json.loads(text)
    assert row["group_type"] == kept
    assert row["group_type_as_received"] == (None if received is None else str(received))


def test_a_group_without_a_type_has_null_and_not_unmapped() -> None:
    row = land_record('{"id": "1"}')
    assert (row["group_type"], row["group_type_as_received"]) == (None, None)


VERBATIM = (
    '{"id": "1", "remote_data": { "n" : 1.50, "big":12345678901234567890123, "e":1E+2,'
    ' "s":"\\u00e9\\/", "nul":"\\u0000", "dup":1, "dup":2, "deep":[[{}]] } , "name" : "A" }'
)


def test_a_record_and_its_remote_data_are_kept_letter_by_letter() -> None:
    row = land_record(VERBATIM)
    assert row["record"] == VERBATIM
    start = VERBATIM.index("{ ")
    assert row["remote_data"] == VERBATIM[start : VERBATIM.index("} ,") + 1]


def test_text_is_kept_as_received() -> None:
    row = land_record('{"id": "1", "name": "  A\\u0000\\n\\ud83d\\ude00 ", "description": ""}')
    assert row["name"] == "  A\0\n\U0001f600 "
    assert row["description"] == ""


def test_what_truto_does_not_document_is_kept_in_other_fields_as_it_came() -> None:
    row = land_record('{"id": "1", "cost": 1.50, "remote_data": {"a": 1}, "x": {"y": [ 1 ]}}')
    assert row["other_fields"] == '{"cost":1.50,"x":{"y":[1]}}'
    assert row["remote_data"] == '{"a": 1}'


def test_without_other_fields_the_column_is_null() -> None:
    assert land_record('{"id": "1", "name": "A"}')["other_fields"] is None


def test_fields_are_told_apart_by_their_case() -> None:
    row = land_record('{"Name": "wrong", "id": "1", "name": "right", "ID": "2"}')
    assert (row["id"], row["name"]) == ("1", "right")
    assert json.loads(row["other_fields"]) == {"Name": "wrong", "ID": "2"}


REMOTE = {"a": {"b": 1, "c": 2}, "list": [{"b": 1, "c": 2}, {"c": 3}], "secret": "x"}


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ("all", REMOTE),
        ("nothing", None),
        ((("a", "b"),), {"a": {"b": 1}}),
        ((("a",), ("list", "b")), {"a": {"b": 1, "c": 2}, "list": [{"b": 1}, None]}),
        ((("not", "there"),), None),
    ],
    ids=["all", "nothing", "a path", "through an array", "a path that is not there"],
)
def test_remote_data_is_cut_down_as_the_settings_say(keep: Any, kept: Any) -> None:
    record = json.dumps({"id": "1", "remote_data": REMOTE})
    row = land_record(record, remote_data=keep)
    assert (json.loads(row["remote_data"]) if row["remote_data"] else None) == kept
    assert row["record"] == record


@pytest.mark.parametrize(
    "page",
    [
        '[{"id": "1", "name": "\\ud800"}]',
        '[{"id": "1", "remote_data": {"a": "\\ud800"}}]',
        '[{"id": "1"}, {"id": ]',
        f'[{{"id": "1", "remote_data": {"[" * 5000}{"]" * 5000}}}]',
    ],
    ids=["lone surrogate in a name", "lone surrogate below", "no JSON", "nested 5,000 deep"],
)
def test_a_page_that_cannot_be_read_concerns_its_account_alone(page: str) -> None:
    with Staging() as staging:
        good = [StagedPage(B, 1, '[{"id": "b"}]'), StagedPage(C, 7, '[{"id": "c"}]')]
        unreadable = staging.land([good[0], StagedPage(A, 3, page), good[1]])
        landed = staging.inspect([A, B, C])
    assert list(unreadable) == [A]
    assert "page 3" in unreadable[A]
    assert {key: found.group_count for key, found in landed.items()} == {A: 0, B: 1, C: 1}


@pytest.mark.parametrize(
    "remote_data",
    [
        "[" * 200 + "]" * 200,
        json.dumps({f"key{number}": number for number in range(10_000)}),
        json.dumps("x" * 5_000_000),
        '{"same": 1, "same": 2}',
        "1e400",
    ],
    ids=["200 deep", "10,000 keys", "5 MB", "duplicate keys", "beyond any number"],
)
def test_unusual_remote_data_is_kept_as_it_came(remote_data: str) -> None:
    assert land_record(f'{{"id":"1","remote_data":{remote_data}}}')["remote_data"] == remote_data


@pytest.mark.parametrize(
    ("record", "has_two"),
    [
        ('{"id":"1","name":"A","remote_data":{"x":1,"x":2}}', False),
        ('{"id":"1","name":null,"description":null,"members":null}', False),
        ('["id","id"]', False),
        ('{"id":"1","id":"2"}', True),
        ('{"id":"1","id":null}', True),
        ('{"name":null,"id":"1","name":null}', True),
        ('{"id":"1","remote_data":{},"remote_data":{}}', True),
        ('{"id":"1","members":1,"members":2}', True),
        ('{"id":"1","name":"A","n\\u0061me":"B"}', True),
    ],
)
@pytest.mark.parametrize("keep", ["all", "nothing"])
def test_a_record_with_two_fields_of_one_name_is_told(
    record: str, has_two: bool, keep: RemoteData
) -> None:
    assert land_record(record, remote_data=keep)["has_repeated_fields"] is has_two


def test_of_an_id_that_came_twice_the_later_copy_is_kept_and_both_are_counted() -> None:
    with Staging() as staging:
        staging.land([StagedPage(A, 2, '[{"id": "1", "name": "later"}, {"id": "2"}]')])
        staging.land([StagedPage(A, 1, '[{"id": "1", "name": "earlier"}, {"id": "2"}]')])
        landed = staging.inspect([A])[A]
        names = staging.connection.execute("SELECT id, name FROM staging.landed ORDER BY id")
        assert names.fetchall() == [("1", "later"), ("2", None)]
    assert landed.group_count == 2
    assert landed.counts.record_count == 4
    assert (landed.counts.duplicate_id_count, landed.counts.differing_id_count) == (2, 1)


def test_the_digest_ignores_the_order_and_nothing_else() -> None:
    def digest(*pages: str) -> str:
        with Staging() as staging:
            staging.land([StagedPage(A, number, page) for number, page in enumerate(pages, 1)])
            return staging.inspect([A])[A].records_digest

    one, two = '{"id":"1","name":"A"}', '{"id":"2","name":"B"}'
    assert digest(f"[{one},{two}]") == digest(f"[{two}]", f"[{one}]")
    assert digest(f"[{one},{two}]") != digest(f"[{one}]")
    assert digest(f"[{one}]") != digest('[{"id":"1","name":"B"}]')
    assert digest(f"[{one}]") != digest('[{"id":"1", "name":"A"}]')


def test_accounts_are_landed_side_by_side_and_forgotten_one_by_one() -> None:
    with Staging() as staging:
        staging.land([StagedPage(A, 1, '[{"id": "1"}]'), StagedPage(B, 1, '[{"id": "1"}]')])
        staging.land([StagedPage(A, 2, '[{"id": "2"}]')])
        before = {key: found.group_count for key, found in staging.inspect([A, B]).items()}
        staging.forget([A])
        after = {key: found.group_count for key, found in staging.inspect([A, B]).items()}
    assert before == {A: 2, B: 1}
    assert after == {A: 0, B: 1}


def test_work_inside_of_other_work_is_done_again_as_a_part_of_it() -> None:
    """A transaction in which a statement failed cannot go on."""
    begun: list[str] = []

    def ask() -> str:
        begun.append("inner")
        if begun.count("inner") == 1:
            raise duckdb.OutOfMemoryException
        return "done"

    with Staging() as staging:

        def write() -> str:
            begun.append("outer")
            return staging.with_room(ask)

        assert staging.with_room(write) == "done"
        assert begun == ["outer", "inner", "outer", "inner"]
        assert staging.with_room(ask) == "done"


def test_the_preview_shows_the_first_groups_as_they_came() -> None:
    with Staging() as staging:
        records = ",".join(f'{{"id": "{n}", "name": "G{n}"}}' for n in range(9, 0, -1))
        staging.land([StagedPage(A, 1, f"[{records}]")])
        shown = [(row["id"], row["name"]) for row in staging.preview([A])[A]]
    assert shown == [("9", "G9"), ("8", "G8"), ("7", "G7"), ("6", "G6"), ("5", "G5")]


SPILL = """
import os, sys
from pathlib import Path
from truto_groups.sync.land import StagedPage, Staging

key = sys.argv[1]
records = ",".join(
    f'{{"id": "{n}", "name": "{key}", "remote_data": {{"text": "{key * 30}"}}}}' for n in range(500)
)
with Staging() as staging:
    staging.connection.execute("SET memory_limit = '16MB'")
    for number in range(1, 25):
        staging.land([StagedPage(key, number, f"[{records}]")])
    sys.stdin.readline()
    mine = staging.connection.execute(
        "SELECT count(*), count(*) FILTER (contains(record, $key)) FROM staging.landed",
        {"key": key},
    ).fetchone()
    spilled = [path for path in Path(os.environ["TMPDIR"]).rglob("*.tmp")]
    print(mine, len({path.parent for path in spilled}), flush=True)
"""


@pytest.mark.slow
def test_runs_that_spill_at_the_same_time_never_see_the_records_of_each_other(
    tmp_path: Path,
) -> None:
    """In one folder, as Dagster starts them; DuckDB names its files the same in every process."""
    place, spill = tmp_path / "project", tmp_path / "tmp"
    place.mkdir()
    spill.mkdir()
    runs = [
        subprocess.Popen(
            python(SPILL, key),
            cwd=place,
            env={**os.environ, "TMPDIR": str(spill), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for key in (A, B)
    ]
    said = [run.communicate("go on\n", timeout=120)[0].strip() for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert said[0] == "(12000, 12000) 2", "both have spilled"
    assert said[1].startswith("(12000, 12000)")
    assert list(place.iterdir()) == []
    assert list(spill.iterdir()) == []


def test_rows_that_a_failed_statement_left_behind_are_no_second_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two copies in one place both were dropped, and the page with them."""
    execute, failures = Staging._execute, []

    def leave_rows(staging: Staging, text: str, parameters: Any = None) -> list[Any]:
        rows = execute(staging, text, parameters)
        if text == statement("land/land") and not failures:
            failures.append("lacking")
            raise duckdb.OutOfMemoryException("Out of Memory Error: simulated")
        return rows

    monkeypatch.setattr(Staging, "_execute", leave_rows)
    with Staging() as staging:
        page = json.dumps([{"id": f"g{number}"} for number in range(5)])
        assert staging.land([StagedPage(A, 1, page)]) == {}
        assert failures
        landed = staging.inspect([A])[A]
        assert (landed.counts.record_count, landed.group_count) == (5, 5)
        assert landed.counts.duplicate_id_count == 0


@pytest.mark.parametrize("statement_of_somebody", ["DELETE", "INSERT INTO"])
def test_an_account_of_which_not_each_record_is_there_once_is_not_taken_for_whole(
    statement_of_somebody: str,
) -> None:
    with Staging() as staging:
        for account_id in (A, B):
            page = json.dumps([{"id": f"g{number}"} for number in range(5)])
            assert staging.land([StagedPage(account_id, 1, page)]) == {}
        rows = f"FROM staging.landed WHERE integrated_account_id = '{A}' AND id = 'g3'"
        target = "staging.landed " if statement_of_somebody == "INSERT INTO" else ""
        staging.connection.execute(f"{statement_of_somebody} {target}{rows}")
        with pytest.raises(UnforeseenError, match=rf"{A} 5 records were landed, and [46] are"):
            staging.inspect([A, B])
        assert staging.inspect([B])[B].group_count == 5
