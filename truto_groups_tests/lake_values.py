"""What a lake holds, value by value, for tests of what must not be in it any more."""

from truto_groups.warehouse.database import Database
from truto_groups.warehouse.lake_search import iterate_values, list_lake_places


def read_lake(database: Database, *, only_known: bool = False) -> dict[str, str]:
    """Every value of a lake's files, and of each table of its catalogue.

    Args:
        database: The lake.
        only_known: Leave out the files that a lost transaction has left there.
    """
    found: dict[str, str] = {"files": ""}
    with database.catalogue() as connection:
        assert connection is not None
        for place in list_lake_places(connection):
            if only_known and not place.is_known:
                continue
            text = b"\n".join(iterate_values(connection, place)).decode()
            if place.where.endswith(".parquet"):
                found["files"] += text
            else:
                found[place.where.split()[1]] = text
    return found
