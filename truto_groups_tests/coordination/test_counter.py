"""The count that only goes up, over processes, losses and restarts. Nothing is faked."""

import threading
from contextlib import closing

import psycopg2
import pytest

from truto_groups.coordination.postgres.postgres_coordination import PostgresCoordination
from truto_groups.coordination.seam import ROOM_AFTER_LOSS
from truto_groups_tests.places import OPEN, Place
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.processes import other_process

pytestmark = pytest.mark.long

COUNTER = f"""{OPEN}
print("ready", flush=True)
sys.stdin.readline()
print(*(coordination.advance_count(at_least=0, after_loss=lambda: 0) for _ in range(200)))
"""


def refuse() -> int:
    raise AssertionError("The count is there.")


def test_every_number_is_given_out_once_and_larger_than_those_before(place: Place) -> None:
    with (
        other_process(COUNTER, *place.arguments) as one,
        other_process(COUNTER, *place.arguments) as two,
    ):
        found: list[list[int]] = []
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in (one, two):
            found.append([int(number) for number in process.communicate(timeout=30)[0].split()])
    for numbers in found:
        assert numbers == sorted(numbers)
    assert len({*found[0], *found[1]}) == 400
    last = place.join().advance_count(at_least=0, after_loss=refuse)
    assert last > max(*found[0], *found[1])


def test_a_number_waits_for_nobody_who_writes(place: Place) -> None:
    coordination = place.join()
    with coordination.turn(is_alone=True):
        first = place.join().advance_count(at_least=0, after_loss=lambda: 0)
        assert coordination.advance_count(at_least=0, after_loss=refuse) > first


def test_the_count_goes_on_after_what_is_remembered_and_never_back(place: Place) -> None:
    coordination = place.join()
    assert coordination.advance_count(at_least=0, after_loss=lambda: 0) == 1
    assert coordination.advance_count(at_least=5000, after_loss=refuse) == 5001
    assert coordination.advance_count(at_least=12, after_loss=refuse) == 5002


def test_a_count_that_was_lost_goes_on_where_it_is_told(postgres_database: str) -> None:
    coordination = PostgresCoordination(postgres_database)
    coordination.advance_count(at_least=500, after_loss=lambda: 0)
    connection = psycopg2.connect(postgres_database)
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM truto_groups_coordination.request_count")
    connection.close()
    number = coordination.advance_count(at_least=0, after_loss=lambda: 900)
    assert number == 900 + ROOM_AFTER_LOSS + 1


@pytest.mark.slow
def test_a_standby_that_lacks_the_last_numbers_gives_none_of_them_out_again(
    postgres_database: str, postgres_cluster: PostgresCluster
) -> None:
    coordination = PostgresCoordination(postgres_database)
    coordination.advance_count(at_least=0, after_loss=lambda: 0)
    with postgres_cluster.losing():
        lost = [coordination.advance_count(at_least=0, after_loss=refuse) for _ in range(5)]
    found = [coordination.advance_count(at_least=0, after_loss=refuse) for _ in range(3)]
    assert found == sorted(set(found))
    assert min(found) > max(lost)


def test_a_count_of_an_earlier_program_goes_on(postgres_database: str) -> None:
    number = PostgresCoordination(postgres_database).advance_count(
        at_least=500, after_loss=lambda: 0
    )
    with closing(psycopg2.connect(postgres_database)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE truto_groups_coordination.request_count DROP COLUMN server_started_at"
        )
        connection.commit()
    again = PostgresCoordination(postgres_database)
    assert again.advance_count(at_least=0, after_loss=refuse) > number


@pytest.mark.parametrize("is_crash", [False, True], ids=["restart", "crash"])
def test_counting_goes_on_through_a_restart_of_postgres_and_never_back(
    postgres_database: str, postgres_cluster: PostgresCluster, is_crash: bool
) -> None:
    coordination = PostgresCoordination(postgres_database)
    numbers = [coordination.advance_count(at_least=0, after_loss=lambda: 0)]
    is_over = threading.Event()

    def count() -> None:
        while not is_over.is_set():
            numbers.append(coordination.advance_count(at_least=0, after_loss=lambda: 0))

    thread = threading.Thread(target=count)
    thread.start()
    try:
        postgres_cluster.restart(is_crash=is_crash)
        before = len(numbers)
        while len(numbers) < before + 20:
            assert thread.is_alive()
    finally:
        is_over.set()
        thread.join(30)
    assert numbers == sorted(set(numbers))
