"""Which runs have ended since somebody last looked: each once, none passed by.

Real: the Dagster instance and its events. Runs that only have to have ended are not executed.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
import yaml

from truto_groups.defs import ended_runs as ended_module
from truto_groups.defs.ended_runs import find_ended_runs, find_last_event
from truto_groups_tests.defs.project import history_in_postgres


@pytest.fixture(name="instance")
def provide_instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(name="served")
def provide_served(tmp_path: Path, postgres_database: str) -> Iterator[dg.DagsterInstance]:
    """An instance whose history lies on a server."""
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(history_in_postgres(postgres_database)))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def end_runs(instance: dg.DagsterInstance, *, kind: dg.DagsterEventType, count: int) -> list[str]:
    """Let so many runs end in one way; their ids in that order."""
    ended: list[str] = []
    for _ in range(count):
        run = instance.add_run(dg.DagsterRun(job_name="job", run_id=str(uuid4())))
        instance.report_dagster_event(dg.DagsterEvent(kind.value, run.job_name), run.run_id)
        ended.append(run.run_id)
    return ended


def test_ends_of_one_kind_beyond_what_is_read_at_once_are_not_passed_by_for_those_of_another(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart after a night of many runs: the few failures must not run ahead of the others."""
    monkeypatch.setattr(ended_module, "_AT_ONCE", 4)
    after = find_last_event(instance)
    expected = [
        *end_runs(instance, kind=dg.DagsterEventType.RUN_SUCCESS, count=9),
        *end_runs(instance, kind=dg.DagsterEventType.RUN_FAILURE, count=2),
        *end_runs(instance, kind=dg.DagsterEventType.RUN_SUCCESS, count=1),
        *end_runs(instance, kind=dg.DagsterEventType.RUN_CANCELED, count=1),
    ]
    context = dg.build_sensor_context(instance=instance)
    found: list[str] = []
    while (ended := find_ended_runs(context, after=after)).runs:
        found += [run.run_id for run in ended.runs]
        after = ended.last_event
    assert found == expected


@pytest.mark.long
def test_on_a_server_an_end_is_told_once_no_smaller_id_can_come_any_more(
    served: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs that end together commit in any order; who went by the larger id passed one by."""
    context = dg.build_sensor_context(instance=served)
    expected = end_runs(served, kind=dg.DagsterEventType.RUN_SUCCESS, count=2)
    ended = find_ended_runs(context, after=0)
    assert (ended.runs, ended.last_event) == ([], 0)
    monkeypatch.setattr(ended_module, "_SETTLING_SECONDS", 0)
    assert [run.run_id for run in find_ended_runs(context, after=0).runs] == expected


@pytest.mark.long
def test_on_a_server_an_end_by_a_clock_that_is_ahead_is_told_at_once(
    served: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = dg.build_sensor_context(instance=served)
    expected = end_runs(served, kind=dg.DagsterEventType.RUN_SUCCESS, count=1)
    here = time.time() - 3 * 3600
    monkeypatch.setattr(time, "time", lambda: here)
    assert [run.run_id for run in find_ended_runs(context, after=0).runs] == expected
