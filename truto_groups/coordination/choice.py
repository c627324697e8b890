"""Which way of coordination a database gets: the one that all who can write it can reach."""

from pathlib import Path

from truto_groups.coordination.files.file_coordination import FileCoordination
from truto_groups.coordination.seam import PATIENCE_SECONDS, Coordination
from truto_groups.errors import MissingPackageError


def choose_coordination(
    companion: Path, *, postgres: str | None, patience_seconds: float = PATIENCE_SECONDS
) -> Coordination:
    """Return what coordinates the processes that share a database.

    Args:
        companion: A path to which suffixes are added for files beside the database.
        postgres: The connection string of the Postgres that holds the database's catalogue; None
            where there is none.
        patience_seconds: How long that may be away.

    Raises:
        MissingPackageError: The driver for Postgres is not installed.
    """
    if postgres is None:
        return FileCoordination(companion)
    try:
        # Half a second of nothing for all who have a file.
        from truto_groups.coordination.postgres.postgres_coordination import PostgresCoordination
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"Runs cannot be coordinated through Postgres: the package {error.name} is not "
            "installed.",
            advice="Run `pip install 'truto-groups[cluster]'`.",
        ) from error
    return PostgresCoordination(postgres, patience_seconds=patience_seconds)
