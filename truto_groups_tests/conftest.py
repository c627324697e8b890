"""What every test relies on: no test meets the person's own token, database or Dagster home."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from truto_groups.text import secrecy
from truto_groups_tests.stand import Stand, open_stand

OURS = ("TRUTO_", "DAGSTER_")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every variable that Truto or Dagster would read; a test sets what it needs."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    # What one test took for a secret must not be taken out of another's texts.
    monkeypatch.setattr(secrecy, "_hidden", {})


@pytest.fixture(name="stand")
def provide_stand(tmp_path: Path) -> Iterator[Stand]:
    """A sandbox without accounts yet, a database, settings and a clock of the test's own."""
    with open_stand(tmp_path) as stand:
        yield stand
