"""Back up all tables as they are at one instant, while others go on writing: ``backup.py FOLDER``.

Writes FOLDER/YYYY-MM-DD as Parquet files with the SQL to load them again, and deletes all but the
newest fourteen. A copy of the database's file by ``cp`` is no backup: the file and its journal are
of different instants.
"""

import re
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from truto_groups import read

KEPT = 14


def back_up(folder: Path) -> Path:
    """Write today's backup whole or not at all, in the place of an earlier one of today.

    Raises:
        TrutoGroupsError: The tables cannot be read.
        OSError: The backup cannot be written.
    """
    target = folder / f"{datetime.now(UTC):%Y-%m-%d}"
    unfinished = folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    with read.connect() as connection:
        quoted = str(unfinished).replace("'", "''")
        connection.execute(f"EXPORT DATABASE '{quoted}' (FORMAT parquet)").fetchall()
    if target.exists():
        shutil.rmtree(target)
    unfinished.rename(target)
    days = sorted(one for one in folder.iterdir() if re.fullmatch(r"\d{4}-\d\d-\d\d", one.name))
    for old in days[:-KEPT]:
        shutil.rmtree(old)
    return target


if __name__ == "__main__":
    print(back_up(Path(sys.argv[1])))  # noqa: T201
