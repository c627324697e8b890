"""What every test relies on: no test meets the person's own token, database or Dagster home."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from truto_groups.text import secrecy
from truto_groups_tests.places import Place
from truto_groups_tests.postgres import PostgresCluster, run_postgres
from truto_groups_tests.stand import Stand, clear_variables, open_stand

# Tests and Dagster are a million objects that stay. With Python's own thresholds, searching them
# for garbage takes half the time of the collection, and a twentieth of that of the tests.
gc.set_threshold(50_000, 20, 50)
# numpy's threads wait for work in a loop, which takes as long as importing numpy, in each program.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_xdist_auto_num_workers() -> int:
    """Three processes for two cores: many tests wait, for a server, a daemon or a clock."""
    cores = os.cpu_count() or 1
    return cores + (cores + 1) // 2


def pytest_collection_finish() -> None:
    """Let nothing that was collected be searched for garbage any more."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files of the longest, so that no core is left to one of them at the end.

    What needs a browser is left out, unless it is asked for by its marker.
    """
    if "browser" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("browser")]
        items[:] = [item for item in items if not item.get_closest_marker("browser")]
        config.hook.pytest_deselected(items=left_out)
    items.sort(
        key=lambda item: [item.get_closest_marker(name) is None for name in ("slow", "long")]
    )


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every variable that Truto or Dagster would read; a test sets what it needs."""
    clear_variables(monkeypatch)
    # What one test took for a secret must not be taken out of another's texts.
    monkeypatch.setattr(secrecy, "_hidden", {})


@pytest.fixture(name="stand")
def provide_stand(tmp_path: Path) -> Iterator[Stand]:
    """A sandbox without accounts yet, a database, settings and a clock of the test's own."""
    with open_stand(tmp_path) as stand:
        yield stand


@pytest.fixture(name="postgres_cluster", scope="session")
def provide_postgres_cluster() -> Iterator[PostgresCluster]:
    """A Postgres that starts with the first test that asks for it."""
    with run_postgres() as cluster:
        yield cluster


@pytest.fixture(name="postgres_database")
def provide_postgres_database(postgres_cluster: PostgresCluster) -> str:
    """The libpq connection string of an empty database of the test's own."""
    return postgres_cluster.make_database()


@pytest.fixture(name="place", params=["files", "postgres"])
def provide_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where processes coordinate, in each way that there is."""
    is_postgres = request.param == "postgres"
    postgres = request.getfixturevalue("postgres_database") if is_postgres else None
    return Place(tmp_path / "groups.duckdb", postgres)
