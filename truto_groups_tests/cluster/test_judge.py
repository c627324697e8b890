"""The judge of trials: that it is content with what is well, and notices what is not.

Real: syncs from the Truto of trials into a DuckDB file, which is then tampered with; Dagster's
history, networks of Linux.
"""

import random
import time

import dagster as dg
import pytest

from truto_groups.sandbox import make_account
from truto_groups_tests.cluster.hosts import find_obstacle, open_network
from truto_groups_tests.cluster.judge import find_unnoticed, judge
from truto_groups_tests.cluster.mischief import KINDS, Done, plan_events
from truto_groups_tests.cluster.truto import ChangingTruto
from truto_groups_tests.stand import Stand, open_stand


@pytest.fixture(name="origin", scope="module")
def provide_origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stand, ChangingTruto]:
    """Three accounts, each synced twice."""
    truto = ChangingTruto(3)
    with open_stand(tmp_path_factory.mktemp("origin")) as stand:
        for account_id in truto.account_ids:
            stand.server.put_account(make_account(account_id))
        stand.server.intercept = truto.answer
        for number in range(2):
            stand.discover()
            outcomes = stand.outcomes(*truto.account_ids, run_id=f"run {number}")
            assert set(outcomes.values()) == {"published"}
            stand.pass_time(hours=1)
    return stand, truto


@pytest.fixture(name="truto")
def provide_truto(stand: Stand, origin: tuple[Stand, ChangingTruto]) -> ChangingTruto:
    """What their Truto was asked; the stand has a database of its own with what it answered."""
    stand.go_on_from(origin[0])
    return origin[1]


def test_answers_that_differ_each_time_are_published_whole(
    stand: Stand, truto: ChangingTruto
) -> None:
    assert truto.last_whole == dict.fromkeys(truto.account_ids, 2)
    assert judge(stand.database, last_whole=truto.last_whole) == []


@pytest.mark.parametrize(
    ("tampering", "notice"),
    [
        ("DELETE FROM groups WHERE id = 'g1'", "accounts whose rows are not one answer"),
        (
            "UPDATE groups SET name = '1 as of 1' WHERE id = 'g1'",
            "accounts whose rows are not one answer",
        ),
        (
            "UPDATE account_syncs SET answer_order = -answer_order WHERE run_id = 'run 1'",
            "older answers published over newer ones",
        ),
        (
            "UPDATE account_syncs SET outcome = 'running' WHERE run_id = 'run 0'",
            "attempts that run for ever",
        ),
        (
            "UPDATE group_changes SET name = '1 as of 9' WHERE id = 'g1' AND run_id = 'run 1'",
            "changes of one instant out of several answers",
        ),
    ],
    ids=["a row is lost", "an older row", "an older answer", "still running", "mixed changes"],
)
def test_what_a_trial_must_not_leave_behind_is_noticed(
    stand: Stand, truto: ChangingTruto, tampering: str, notice: str
) -> None:
    with stand.database.writing() as connection:
        connection.execute(tampering).fetchall()
    told = judge(stand.database, last_whole=truto.last_whole)
    assert any(text.startswith(f"{notice}: ") for text in told), told


def test_rows_of_an_answer_before_the_last_are_noticed(stand: Stand, truto: ChangingTruto) -> None:
    newer = dict.fromkeys(truto.account_ids, 3)
    (told,) = judge(stand.database, last_whole=newer)
    assert told.startswith("accounts with another answer than Truto's last: 3")


def test_a_seed_is_a_plan_in_which_each_kind_of_mischief_has_its_turn() -> None:
    events = plan_events(random.Random(7), count=8, seconds=60)
    assert events == plan_events(random.Random(7), count=8, seconds=60)
    assert events != plan_events(random.Random(8), count=8, seconds=60)
    assert sorted(one.kind for one in events) == sorted([*KINDS, *KINDS])
    assert all(0 <= one.at < 60 for one in events)


def kill_of(run: dg.DagsterRun, *, seconds_ago: float) -> Done:
    at = time.time() - seconds_ago
    return Done("a worker killed", "worker1", at, at, [run.run_id, "process-of-a-command"])


@pytest.mark.long
def test_a_killed_run_that_is_ended_too_late_or_never_is_noticed() -> None:
    with dg.instance_for_test() as instance:
        job = dg.GraphDefinition("nothing").to_job()
        runs = [instance.create_run_for_job(job) for _ in range(4)]
        soon, late, after_an_outage, never = runs
        for run in runs:
            instance.report_engine_event("begun", run)
        for run in (soon, late, after_an_outage):
            instance.report_run_failed(run)
        by_itself = instance.create_run_for_job(job)
        instance.report_run_failed(by_itself)
        outage = Done("database crashed", "database", time.time() - 310, time.time() - 100)
        done = [
            kill_of(soon, seconds_ago=110),
            kill_of(by_itself, seconds_ago=0),
            Done("an idle one killed", "worker2", time.time(), time.time()),
        ]
        assert find_unnoticed(instance, done).wrong == []
        assert (
            find_unnoticed(instance, [kill_of(after_an_outage, seconds_ago=400), outage]).wrong
            == []
        )

        (told,) = find_unnoticed(instance, [*done, kill_of(late, seconds_ago=400)]).wrong
        assert late.run_id in told
        (told,) = find_unnoticed(instance, [*done, kill_of(never, seconds_ago=10)]).wrong
        assert never.run_id in told


@pytest.mark.skipif(find_obstacle() is not None, reason="there can be no networks here")
def test_trials_at_once_have_networks_of_their_own() -> None:
    with open_network() as one, open_network() as other:
        assert one.name != other.name
        assert one.prefix != other.prefix
