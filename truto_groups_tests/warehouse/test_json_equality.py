"""What came in another spelling has not changed: order of keys, white space, escapes, numbers.

Real: DuckDB in a file, and HTTP on loopback where a whole sync is told. Values are hypothesis's.
"""

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from truto_groups.sync.land import StagedPage, Staging
from truto_groups.sync.publish import ReplacedAccount, Replacement, replace_rows
from truto_groups.sync.waiting import read_pending
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.json_equality import is_same_json
from truto_groups_tests.stand import (
    START,
    A,
    Stand,
    group,
    groups_of,
    read_data,
    read_rows,
    read_table,
    serve_body,
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("aé😀.", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def write_number(number: int | Decimal, dice: random.Random) -> str:
    """Write a number with all of its digits in one of the ways that JSON knows."""
    sign, digits, exponent = Decimal(number).as_tuple()
    assert isinstance(exponent, int)
    whole = "".join(map(str, digits)).lstrip("0") or "0"
    zeros = 0 if whole == "0" else dice.choice([0, 0, 1, 7])
    written = [f"{whole}{'0' * zeros}e{exponent - zeros}", f"{whole}.{'0' * zeros}0E{exponent:+}"]
    if len(whole) > 1:
        written.append(f"{whole[0]}.{whole[1:]}e{exponent + len(whole) - 1}")
    if 0 <= exponent < 40 and whole != "0":
        written += [whole + "0" * exponent, f"{whole}{'0' * exponent}.0"]
    return f"{'-' if sign else ''}{dice.choice(written)}"


def spell(value: Any, dice: random.Random) -> str:
    """Write a value as JSON in one of the ways that all say the same."""
    space = dice.choice(["", " ", "\n\t"])
    if isinstance(value, dict):
        pairs = [f"{spell(key, dice)}:{space}{spell(one, dice)}" for key, one in value.items()]
        return f"{{{space}{f',{space}'.join(dice.sample(pairs, len(pairs)))}}}"
    if isinstance(value, list):
        return f"[{space}{','.join(spell(one, dice) for one in value)}{space}]"
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return write_number(value, dice)
    return json.dumps(value, ensure_ascii=dice.random() < 0.5)


@pytest.mark.long
@settings(max_examples=200, deadline=None, derandomize=True)
@given(values, st.integers())
def test_two_spellings_of_a_value_are_the_same(value: Any, seed: int) -> None:
    dice = random.Random(seed)
    one, other = spell(value, dice), spell(value, dice)
    assert is_same_json(one, other), (one, other)


def exactly(value: Any) -> Any:
    """A value in which 1 is not true, for Python to compare."""
    if isinstance(value, dict):
        return {key: exactly(one) for key, one in value.items()}
    if isinstance(value, list):
        return [exactly(one) for one in value]
    return (isinstance(value, bool), value)


@pytest.mark.long
@settings(max_examples=200, deadline=None, derandomize=True)
@given(values, values)
def test_two_values_are_the_same_when_they_are_equal(one: Any, other: Any) -> None:
    dice = random.Random(0)
    assert is_same_json(spell(one, dice), spell(other, dice)) == (exactly(one) == exactly(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.50", "1.5"),
        ("100", "1e2"),
        ("-0", "0.0"),
        ("12345678901234567890123.5", "12345678901234567890123.50"),
        ("123456789012345678901234567890", "1.2345678901234567890123456789e29"),
        ("1e400", "10e399"),
        (r'"\u00e9\/\ud83d\ude00"', '"é/😀"'),
        (r'{"\u0061":1}', '{"a":1}'),
        ("[" * 400 + "]" * 400, "[" * 400 + " " + "]" * 400),
    ],
)
def test_what_is_written_otherwise_is_the_same(one: str, other: str) -> None:
    assert is_same_json(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("9007199254740993", "9007199254740992"),
        ("12345678901234567890123.5", "12345678901234567890123.6"),
        ("1e400", "1e401"),
        ("1e99999999999999999999", "1e99999999999999999998"),
        ('{"a":[true]}', '{"a":[1]}'),
        ("false", "0"),
        ('"1"', "1"),
        ("null", '""'),
        ('{"a":null}', "{}"),
        ("[1,2]", "[2,1]"),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"a":1,"a":2}', '{"a":1, "a":2}'),
        ("no JSON", "no JSON "),
        ("[" * 90000 + "]" * 90000, "[" * 90000 + " " + "]" * 90000),
        (r'"\ud800"', r'"\uD800"'),
        ("9" * 9000, "9" * 9000 + " "),
    ],
    ids=lambda text: text[:30],
)
def test_what_differs_or_cannot_be_read_for_sure_is_not_the_same(one: str, other: str) -> None:
    assert not is_same_json(one, other)


INTERRUPTED = """
import signal
from contextlib import closing

import pandas  # else DuckDB would, for longer than the signals leave it

from truto_groups.warehouse.interruption import raise_interruption
from truto_groups.warehouse.connections import connect


def interrupt(*_):
    raise KeyboardInterrupt


with closing(connect()) as connection:
    signal.signal(signal.SIGALRM, interrupt)
    # Again and again: one that comes while garbage is collected is ignored by Python.
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.5)
    try:
        connection.execute(
            "SELECT count(*) FROM range(1_000_000) AS r(n) "
            "WHERE same_json('[1, ' || n || ']', '[1,' || n || ']')"
        ).fetchall()
    except Exception as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            raise_interruption(error)
        except KeyboardInterrupt:
            print("interrupted")
"""


@pytest.mark.long
def test_a_signal_that_comes_while_texts_are_compared_is_not_lost() -> None:
    """DuckDB makes an error of its own of it, and drops the exception.

    In a process of its own, because Python's own import is not safe from such a signal.
    """
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
    assert ended.stdout == "interrupted\n", ended.stderr


class Account:
    """One account in a database of its own, published a day apart from JSON texts."""

    def __init__(self, folder: Path) -> None:
        """Begin without rows."""
        self.database = Database(str(folder / "groups.duckdb"))
        self.day = 0

    def publish(self, *records: str, **options: Any) -> Replacement:
        with Staging() as staging:
            assert staging.land([StagedPage(A, 1, f"[{','.join(records)}]", **options)]) == {}
            replaced = ReplacedAccount(A, "okta", "acme", is_initial=not self.day)
            now = START + timedelta(days=self.day)
            with self.database.writing(staging.connection) as connection:
                found = replace_rows(connection, [replaced], run_id=f"run{self.day}", now=now)
        self.day += 1
        return found[A]

    def read(self) -> dict[str, list[dict[str, Any]]]:
        return read_data(self.database)


@pytest.fixture(name="account")
def provide_account(tmp_path: Path) -> Account:
    return Account(tmp_path)


SPELLED = "SELECT id, other_fields::VARCHAR"
FIRST = (
    '{"id":"1","name":"Caf\\u00e9","group_type":{"kind":"x","n":1},"description":1e2,'
    '"organization":{"b":[1.50],"a":"\\u00e9"},"created_at":"2024-01-02",'
    '"custom":{"x":1.50,"y":{"p":null,"q":12345678901234567890123.0}},"remote_data":{"n":1,"m":2}}'
)
AGAIN = (
    '{ "remote_data":{"m":2.0,"n":1},'
    '"custom":{"y":{"q":12345678901234567890123,"p":null},"x":1.5},'
    '"created_at":"2024-01-02","organization":{"a":"é","b":[1.5]},"description":100,'
    '"group_type":{"n":1,"kind":"x"},"name":"Café","id":"1"}'
)


def test_another_spelling_changes_nothing_and_the_text_first_received_stays(
    account: Account,
) -> None:
    account.publish(FIRST)
    before = account.read()
    assert account.publish(AGAIN) == Replacement()
    assert account.read() == before
    assert before["raw_groups"][0]["record"] == FIRST


def test_a_field_that_changes_is_told_without_those_that_only_are_written_otherwise(
    account: Account,
) -> None:
    account.publish(FIRST)
    (row,) = account.read()["groups"]
    renamed = AGAIN.replace("Café", "Bar")
    replacement = account.publish(renamed)
    assert (replacement.changed, replacement.touched) == (1, 0)
    after = account.read()
    (change,) = after["group_changes"]
    assert json.loads(change["changed_fields"]) == {"name": ["Café", "Bar"]}
    (now,) = after["groups"]
    kept = ("group_type_as_received", "description", "organization_id", "other_fields")
    assert {name: now[name] for name in kept} == {name: row[name] for name in kept}
    assert after["raw_groups"][0]["record"] == renamed
    ((was,),) = read_rows(
        account.database,
        "SELECT g FROM (SELECT * EXCLUDE (changed_at) FROM groups_as_of($at)) AS g",
        at=START + timedelta(hours=1),
    )
    assert was == {name: row[name] for name in was}


OTHER_FIELDS = [
    '"custom":1.50',
    '"custom":1e2,"name":"other_fields"',
    '"custom":0.12345678901234567890,"name":"\\"other_fields\\":[{},"',
    '"custom":{"x":{},"y":[{"z":{}},{"other_fields":[{"a":-0.0},null]}]},"more":{"b":1.0}',
    '"custom":"},{","},":{"},":[1.0,"\\"}]},{"]},"and":123456789012345678901234567890',
]


# Of so long a failure a smaller one would be looked for too long.
@pytest.mark.long
@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(values, min_size=10, max_size=30), st.integers())
def test_other_fields_of_the_past_are_given_letter_by_letter(found: list[Any], seed: int) -> None:
    dice = random.Random(seed)
    fields = OTHER_FIELDS + [f'"custom":{spell(value, dice)}' for value in found]
    with tempfile.TemporaryDirectory() as folder:
        account = Account(Path(folder))
        seen: list[list[tuple[str, str | None]]] = []
        for _ in range(4):
            # Of some a field comes or goes, some are gone for a while.
            texts = [
                "" if dice.random() < 0.2 else text for text in dice.sample(fields, len(fields))
            ]
            account.publish(
                *(
                    f'{{"id":{number}{"," if text else ""}{text}}}'
                    for number, text in enumerate(texts)
                    if dice.random() < 0.8
                )
            )
            seen.append(read_rows(account.database, f"{SPELLED} FROM groups ORDER BY id"))
        for day, rows in enumerate(seen):
            asked = f"{SPELLED} FROM groups_as_of($at) ORDER BY id"
            assert read_rows(account.database, asked, at=START + timedelta(days=day)) == rows


OTHER_VALUES = [
    ('"custom":{"x":[1,2]}', '"custom":{"x":[2,1]}'),
    ('"custom":{"x":1}', '"custom":{"x":"1"}'),
    ('"custom":{"x":1}', '"custom":{"x":true}'),
    ('"custom":123456789012345678901', '"custom":123456789012345678902'),
    ('"custom":{"x":1}', '"custom":{"x":1,"x":1}'),
    ('"description":1.5', '"description":1.6'),
    ('"name":"1.50"', '"name":"1.5"'),
    ('"name":"{}"', '"name":"{ }"'),
]
"""Fields of a group before and after, of which each is another value."""

OTHER_REMOTE_DATA = {
    ("5", "6"): "remote_data",
    ('"x"', "[1]"): "remote_data",
    ("[1,2]", "[1,3]"): "remote_data.1",
    ('{"":1}', '{"":2}'): "remote_data",
    ('{"a.b":1}', '{"a.b":2}'): "remote_data.a.b",
}
"""Of values before and after, the path by which the change is told."""

PAIRS = [
    *OTHER_VALUES,
    *((f'"remote_data":{one}', f'"remote_data":{other}') for one, other in OTHER_REMOTE_DATA),
]


@pytest.fixture(name="replaced", scope="module")
def provide_replaced(
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[tuple[str, str], Replacement]:
    """What was replaced when the second of a pair came after the first, each in an account."""
    database = Database(str(tmp_path_factory.mktemp("replaced") / "groups.duckdb"))
    keys = [f"{number:08x}-0000-4000-8000-000000000001" for number in range(len(PAIRS))]
    found: Mapping[str, Replacement] = {}
    for day in (0, 1):
        with Staging() as staging:
            pages = [
                StagedPage(key, 1, f'[{{"id":"1",{pair[day]}}}]')
                for key, pair in zip(keys, PAIRS, strict=True)
            ]
            assert staging.land(pages) == {}
            accounts = [ReplacedAccount(key, "okta", "acme", is_initial=not day) for key in keys]
            now = START + timedelta(days=day)
            with database.writing(staging.connection) as connection:
                found = replace_rows(connection, accounts, run_id=f"run{day}", now=now)
    return {pair: found[key] for key, pair in zip(keys, PAIRS, strict=True)}


@pytest.mark.parametrize(("before", "after"), OTHER_VALUES)
def test_what_is_another_value_is_a_change(
    replaced: Mapping[tuple[str, str], Replacement], before: str, after: str
) -> None:
    assert replaced[before, after].changed == 1


def test_changes_tell_numbers_with_all_of_their_digits(account: Account) -> None:
    account.publish('{"id":"1","cost":12345678901234567890123.5}')
    account.publish('{"id":"1","cost":12345678901234567890123.6}')
    (change,) = account.read()["group_changes"]
    assert change["changed_fields"] == (
        '{"other_fields":[{"cost":12345678901234567890123.5},{"cost":12345678901234567890123.6}]}'
    )


def test_a_row_that_somebody_changed_is_mended_whatever_the_spelling_of_its_record(
    account: Account,
) -> None:
    account.publish(FIRST)
    with account.database.writing() as connection:
        connection.execute("UPDATE groups SET organization_id = '{}', name = '[]'").fetchall()
    account.publish(AGAIN)
    (row,) = account.read()["groups"]
    assert (row["name"], json.loads(row["organization_id"])) == ("Café", {"a": "é", "b": [1.5]})


def test_of_remote_data_only_the_fields_that_have_another_value_are_counted(
    account: Account,
) -> None:
    account.publish('{"id":"1","remote_data":{"a":{"x":1,"y":2},"n":1,"s":"\\u00e9"}}')
    found = account.publish('{"id":"1","remote_data":{"s":"é","n":2,"a":{"y":2,"x":1.0}}}')
    assert (found.touched, found.remote_changes) == (1, {"remote_data.n": 1})


@pytest.mark.parametrize(("before", "after"), OTHER_REMOTE_DATA)
def test_remote_data_of_any_kind_is_told_by_a_path(
    replaced: Mapping[tuple[str, str], Replacement], before: str, after: str
) -> None:
    """What is no object had no key, and so no path."""
    found = replaced[f'"remote_data":{before}', f'"remote_data":{after}']
    assert found.touched == 1
    assert OTHER_REMOTE_DATA[before, after] in found.remote_changes


def test_of_keys_that_are_data_only_the_most_common_changes_are_told(account: Account) -> None:
    def records(value: int) -> Sequence[str]:
        texts = [
            f'{{"id":"{n}","remote_data":{{"k{n}":{value},"all":{value}}}}}' for n in range(300)
        ]
        return [*texts, f'{{"id":"long","remote_data":{{"{"k" * 9000}":{value}}}}}']

    account.publish(*records(1))
    told = account.publish(*records(2)).remote_changes
    assert len(told) == 100
    assert told["remote_data.all"] == 300
    assert max(map(len, told)) < 200


def test_copies_of_an_id_in_several_spellings_have_one_content() -> None:
    with Staging() as staging:
        copies = '{"id":"1","n":1.50},{"n":1.5,"id":"1"},{"id":"2","n":1},{"id":"2","n":2}'
        staging.land([StagedPage(A, 1, f"[{copies}]")])
        counts = staging.inspect([A])[A].counts
    assert (counts.duplicate_id_count, counts.differing_id_count) == (2, 1)


def respelled(groups: list[dict[str, Any]]) -> str:
    """An answer with every record written otherwise."""
    return json.dumps({"result": [dict(reversed(one.items())) for one in groups]}, indent=1)


@pytest.mark.long
def test_an_answer_in_another_spelling_is_found_unchanged_the_next_time(stand: Stand) -> None:
    stand.put(A, groups_of(3))
    stand.discover()
    stand.sync(run_id="r1")
    before = stand.data()
    stand.server.intercept = serve_body(A, respelled(groups_of(3)))
    stand.pass_time(hours=1)
    stand.sync(run_id="r2")
    assert stand.data() == before
    ((digest,),) = stand.rows("SELECT rows_digest FROM account_state")
    assert digest == stand.ledger(A)[1]["digest"] != stand.ledger(A)[0]["digest"]
    assert stand.outcomes(run_id="r3") == {A: "unchanged"}
    assert stand.data() == before


@pytest.mark.long
def test_acceptance_counts_no_group_that_only_is_written_otherwise(stand: Stand) -> None:
    stand.put(A, groups_of(30))
    stand.discover()
    stand.sync(run_id="r1")
    stand.pass_time(hours=1)
    fewer = [*groups_of(9), group(9, "Another name")]
    stand.server.intercept = serve_body(A, respelled(fewer))
    assert stand.outcomes(run_id="r2") == {A: "held_back"}
    with stand.database.reading() as connection:
        (waiting,) = read_pending(connection)
    assert (waiting.would_add, waiting.would_remove, waiting.would_change) == (0, 20, 1)
    assert len(read_table(stand.database, "held_back_groups")) == 10
