"""All tables copied into another database, from a file to a lake or back, without Dagster."""

import os
from collections.abc import Iterator
from pathlib import Path

from truto_groups.settings import DATA_PATH_VARIABLE, DATABASE_VARIABLE, read_environment
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.table_copies import CopiedTable, copy_tables, find_run_at_work


class Copying:
    """A copy that can be made.

    Args:
        to: Where to, as TRUTO_GROUPS_DATABASE would name it.
        data_path: Where a lake keeps its files, as TRUTO_GROUPS_DATA_PATH would; empty: nowhere.
        cwd: Where to look for the project.

    Raises:
        SettingsError: A variable or an argument is wrong.
    """

    def __init__(self, to: str, data_path: str, *, cwd: Path) -> None:
        variables = {**os.environ, DATABASE_VARIABLE: to, DATA_PATH_VARIABLE: data_path}
        self.source = Database.of(read_environment(os.environ, cwd=cwd))
        self.target = Database.of(read_environment(variables, cwd=cwd))

    def find_run_at_work(self) -> str | None:
        """Find a run that syncs into the source now, and would leave the copy behind.

        Raises:
            DatabaseError: The source cannot be read.
        """
        return find_run_at_work(self.source)

    def tables(self) -> Iterator[CopiedTable]:
        """Copy what is not there yet; each table when it is.

        Raises:
            SourceMovedError: The source was written meanwhile; it is to be copied again.
            DatabaseError: The target holds rows, or one of both cannot be used.
        """
        return copy_tables(self.source, self.target)
