"""Jobs run in this process, each with a Dagster history of its own."""

from collections.abc import Iterator

import pytest

from truto_groups_tests.quick_history import quick_history


@pytest.fixture(autouse=True)
def spare_dagster_its_repetitions() -> Iterator[None]:
    """Before any instance is opened, and until all are closed."""
    with quick_history():
        yield
