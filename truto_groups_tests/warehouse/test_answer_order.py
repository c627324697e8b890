"""The order of first requests and of publications: over processes, losses and clocks that jump.

Real: files, DuckDB, Postgres, other processes. Only the clocks are the tests'.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from truto_groups.errors import DatabaseError
from truto_groups.warehouse.answer_order import count_first_request, resume_count
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.properties_table import take_instant
from truto_groups_tests.places import OPEN, Place
from truto_groups_tests.processes import as_another_user, other_process
from truto_groups_tests.stand import START

COUNTER = f"""{OPEN}
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.answer_order import count_first_request
database = Database(sys.argv[1])
database.coordination = coordination
print("ready", flush=True)
sys.stdin.readline()
print(*(count_first_request(database) for _ in range(200)))
"""


@pytest.fixture(name="database")
def provide_database(tmp_path: Path) -> Database:
    return Database(str(tmp_path / "groups.duckdb"))


@pytest.fixture(name="shared")
def provide_shared_database(place: Place) -> Database:
    """A file whose processes coordinate in each way that there is."""
    database = Database(str(place.companion))
    database.coordination = place.join()
    return database


def count_file(database: Database) -> Path:
    return Path(f"{database.location}.order")


def settle(database: Database, number: int) -> None:
    """Write down an attempt that has a number."""
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO account_syncs BY NAME SELECT 'a' AS integrated_account_id, 'r' AS run_id, "
            "now() AS started_at, 'published' AS outcome, $n AS answer_order",
            {"n": number},
        ).fetchall()


def resume(database: Database) -> None:
    with database.writing() as connection:
        resume_count(database, connection)


@pytest.mark.long
def test_every_first_request_gets_a_number_of_its_own_that_is_larger(
    shared: Database, place: Place
) -> None:
    resume(shared)
    with (
        other_process(COUNTER, *place.arguments) as one,
        other_process(COUNTER, *place.arguments) as two,
    ):
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        found = []
        for process in (one, two):
            assert process.stdout is not None
            found.append([int(number) for number in process.stdout.readline().split()])
    for numbers in found:
        assert numbers == sorted(numbers)
    assert len({*found[0], *found[1]}) == 400
    assert count_first_request(shared) > max(*found[0], *found[1])


def test_a_number_waits_for_nobody_who_publishes(shared: Database) -> None:
    resume(shared)
    with shared.writing():
        assert count_first_request(shared) < count_first_request(shared)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"nonsense", b"-7", b"0", b"99999999999999999999", b"\0" * 20],
    ids=["gone", "empty", "nonsense", "negative", "none", "too large", "zeros"],
)
@pytest.mark.parametrize("is_resumed", [True, False], ids=["at a start", "meanwhile"])
def test_a_count_that_is_lost_goes_on_after_all_that_were_given_out(
    database: Database, content: bytes | None, is_resumed: bool
) -> None:
    resume(database)
    settle(database, count_first_request(database))
    under_way = [count_first_request(database) for _ in range(3)]
    if content is None:
        count_file(database).unlink()
    else:
        count_file(database).write_bytes(content)
    if is_resumed:
        resume(database)
    assert count_first_request(database) > max(under_way)
    assert len(count_file(database).read_bytes()) == 20


def test_a_database_that_came_without_its_count_goes_on_after_its_own(
    database: Database,
) -> None:
    settle(database, 5000)
    count_file(database).write_text("12")
    resume(database)
    assert count_first_request(database) > 5000


@pytest.mark.parametrize("is_resumed", [True, False], ids=["at a start", "meanwhile"])
def test_a_database_that_moved_to_another_place_goes_on_after_its_own(
    shared: Database, is_resumed: bool
) -> None:
    settle(shared, 5000)
    if is_resumed:
        resume(shared)
    assert count_first_request(shared) > 5000
    assert count_first_request(shared) > 5001


def test_the_first_count_of_a_database_begins_at_its_beginning(shared: Database) -> None:
    resume(shared)
    assert count_first_request(shared) < 10


def test_a_count_that_cannot_be_written_is_told(database: Database) -> None:
    resume(database)
    for path in (Path(database.location).parent, *Path(database.location).parents):
        if not path.stat().st_mode & 0o005:
            path.chmod(path.stat().st_mode | 0o055)
    count_file(database).chmod(0o444)
    with as_another_user(), pytest.raises(DatabaseError) as caught:
        count_first_request(database)
    assert str(count_file(database)) in str(caught.value)


def test_publications_are_in_order_whatever_the_clock_says(database: Database) -> None:
    hours = (0, 3, 0, 1, 0, 4)
    instants = []
    for hour in hours:
        with database.writing() as connection:
            instants.append(take_instant(connection, lambda at=hour: START + timedelta(hours=at)))
    assert instants == sorted(set(instants))
    assert instants[0] == START
    assert instants[-1] == START + timedelta(hours=4)


def test_the_instant_of_a_publication_that_was_rolled_back_is_free_again(
    database: Database,
) -> None:
    def publish_and_fail() -> None:
        with database.writing() as connection:
            take_instant(connection, lambda: START + timedelta(hours=5))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        publish_and_fail()
    with database.writing() as connection:
        assert take_instant(connection, lambda: START) == START
