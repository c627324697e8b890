"""Search everything that is kept for what should be forgotten.

Finds, and changes nothing. What is done about it is forget_accounts.py's.
"""

import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from truto_groups.defs.dagster_internals import find_log_folder, list_history
from truto_groups.defs.forget_in_history import search_history
from truto_groups.report.certificate import FoundPlace
from truto_groups.session import Session
from truto_groups.text.markers import SHORTEST, Markers
from truto_groups.warehouse.database import Database
from truto_groups.warehouse.forget_in_tables import find_values, is_ours
from truto_groups.warehouse.lake_search import iterate_values, list_lake_places
from truto_groups.warehouse.snapshot import reading_snapshot
from truto_groups.warehouse.temporary_folders import FOLDER_PREFIX

# What the double of Truto remembers stands for what Truto does.
_NOT_OURS = ("sandbox.json",)
_OF_THE_LAKE = "The lake's own, which somebody may have written since."
_UNKNOWN_TO_THE_LAKE = (
    "A file of which the lake knows nothing, as a publication leaves it that was killed. Delete "
    "it, unless another lake has its files there too."
)


@dataclass
class Search:
    """What is searched for, and what was found of it so far.

    Attributes:
        in_bytes: What is searched for in bytes and in values.
        words: What is searched for in Dagster's history, as words of their own.
        searched: Files that were searched, byte by byte.
        searched_bytes: How long they are together.
        searched_lake: Files of a lake and tables of its catalogue that were searched, by value.
        remains: What was found and should not be there.
        yours: What was found where only the person may change it.
    """

    in_bytes: Markers
    words: Markers
    searched: list[str] = field(default_factory=list[str])
    searched_bytes: int = 0
    searched_lake: list[str] = field(default_factory=list[str])
    remains: list[FoundPlace] = field(default_factory=list[FoundPlace])
    yours: list[FoundPlace] = field(default_factory=list[FoundPlace])

    def look_everywhere(
        self, session: Session, instance: dg.DagsterInstance, *, apart: Iterable[Path]
    ) -> None:
        """Search tables, files, Dagster's history, a lake, and the person's settings.

        Args:
            session: Knows the database and the settings.
            instance: Knows the history.
            apart: Files that name the accounts because they have to.

        Raises:
            DatabaseError: The database cannot be read.
        """
        settings = session.settings.path
        self._look_into_tables(session.database)
        self._look_into_files(
            session.database, instance, apart=[*apart, *([settings] if settings else [])]
        )
        for where, count in search_history(instance, self.words).items():
            self.remains.append(FoundPlace(where, count, "Dagster's history."))
        self._look_into_lake(session.database)
        if settings is not None and (found := sum(self.in_bytes.find_in_file(settings).values())):
            note = "Your settings file. An account that Truto still lists needs its `skip` there."
            self.yours.append(FoundPlace(str(settings), found, note))

    def _look_into_tables(self, database: Database) -> None:
        with reading_snapshot(database) as connection:
            for table, count in find_values(connection, self.in_bytes).items():
                if is_ours(table):
                    note = "A table of this program."
                    self.remains.append(FoundPlace(f"table {table}", count, note))
                else:
                    note = "A table of yours in the same database."
                    self.yours.append(FoundPlace(f"table {table}", count, note))

    def _look_into_files(
        self, database: Database, instance: dg.DagsterInstance, *, apart: Iterable[Path]
    ) -> None:
        """Search every file that is ours: the database's, those of temporary folders, Dagster's."""
        has_foreign_tables = bool(self.yours)
        left_out = {path.absolute() for path in apart}
        unreadable: list[OSError] = []
        for path in list_files(_list_our_places(database, instance), unreadable=unreadable):
            if path.absolute() in left_out:
                continue
            try:
                found = sum(self.in_bytes.find_in_file(path).values())
                self.searched_bytes += path.stat().st_size
            except FileNotFoundError:
                continue
            except OSError as error:
                error.filename = str(path)
                unreadable.append(error)
                continue
            self.searched.append(str(path))
            if found and has_foreign_tables and _is_file_of(database, path):
                self.yours.append(FoundPlace(str(path), found, "The tables of yours in it."))
            elif found:
                note = "A file of this program or of Dagster, which somebody may have open."
                self.remains.append(FoundPlace(str(path), found, note))
        for error in unreadable:
            note = f"It cannot be read: {error.strerror}. Run as a user who may."
            self.remains.append(FoundPlace(str(error.filename), 0, note))

    def _look_into_lake(self, database: Database) -> None:
        with database.catalogue() as connection:
            if connection is None:
                return
            for place in list_lake_places(connection):
                values = iterate_values(connection, place)
                counts = (self.in_bytes.find(some, shortest=SHORTEST) for some in values)
                found = sum(sum(count.values()) for count in counts)
                self.searched_lake.append(place.where)
                if found:
                    note = _OF_THE_LAKE if place.is_known else _UNKNOWN_TO_THE_LAKE
                    self.remains.append(FoundPlace(place.where, found, note))


def _list_our_places(database: Database, instance: dg.DagsterInstance) -> list[Path]:
    companion = database.companion
    temporary = Path(tempfile.gettempdir())
    return [
        *(one for one in companion.parent.iterdir() if one.name.startswith(companion.name)),
        *(one for one in temporary.iterdir() if one.name.startswith(FOLDER_PREFIX)),
        *_list_dagster_folders(instance),
    ]


def _list_dagster_folders(instance: dg.DagsterInstance) -> set[Path]:
    folders = {Path(part.name).parent for part in list_history(instance) if part.is_sqlite}
    root = getattr(instance, "root_directory", None)
    logs = find_log_folder(instance)
    return {*folders, *([Path(root)] if root else []), *([logs] if logs else [])}


def _is_file_of(database: Database, path: Path) -> bool:
    """Whether a file is the database itself, which was just written anew."""
    return database.is_file and path.samefile(database.location)


def list_files(roots: Iterable[Path], *, unreadable: list[OSError] | None = None) -> list[Path]:
    """All regular files at and below some places, each once, also where a link leads to them.

    Args:
        roots: The places.
        unreadable: Takes up, for each place that cannot be looked into, why.
    """
    errors = [] if unreadable is None else unreadable
    found: dict[tuple[int, int], Path] = {}
    left = sorted(roots, reverse=True)
    while left:
        path = left.pop()
        try:
            status = path.stat()
            place = (status.st_dev, status.st_ino)
            if place in found or path.name in _NOT_OURS:
                continue
            if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                found[place] = path
            if stat.S_ISDIR(status.st_mode):
                left += sorted(path.iterdir(), reverse=True)
        except FileNotFoundError:
            continue
        except OSError as error:
            error.filename = str(path)
            errors.append(error)
    return sorted(path for path in found.values() if path.is_file())
