"""What every test relies on: no test meets the person's own token, database or Dagster home."""

import os

import pytest

OURS = ("TRUTO_", "DAGSTER_")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every variable that Truto or Dagster would read; a test sets what it needs."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
