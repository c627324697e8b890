"""Take out of Dagster's history what names accounts that are to be forgotten.

What is about them alone is deleted: partitions, their events, runs that covered nobody else, lines
of logs, verdicts of checks that tell of them. In what is about others too, such as the tags and the
end of a run over many accounts, their names are replaced, and metadata that held them is dropped.
"""

import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, cast

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from truto_groups.defs.dagster_internals import (
    PARTITION_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    HistoryPart,
    delete_run,
    forget_status,
    list_history,
    read_events,
)
from truto_groups.defs.history import PARTITIONED
from truto_groups.defs.partitions import read_partition_keys, remove_partitions
from truto_groups.errors import DatabaseError
from truto_groups.text.markers import FORGOTTEN, Markers

_ROWS_AT_ONCE = 500
_CHECKED = ("ASSET_CHECK_EVALUATION", "ASSET_CHECK_EVALUATION_PLANNED")
_MATERIALIZED = "ASSET_MATERIALIZATION"
_HIDDEN_METADATA = {"__class__": "TextMetadataEntryData", "text": FORGOTTEN}

Row = Mapping[str, Any]


@dataclass
class Scrubbed:
    """What was taken out of Dagster's history, counted in rows of its tables.

    Attributes:
        deleted: Rows that are gone.
        replaced: Rows that stay, without the names that stood in them.
        runs: Runs that are gone with all that was theirs.
    """

    deleted: Counter[str] = field(default_factory=Counter[str])
    replaced: Counter[str] = field(default_factory=Counter[str])
    runs: int = 0


def forget_in_history(
    instance: dg.DagsterInstance, keys: Collection[str], markers: Markers
) -> Scrubbed:
    """Take accounts out of Dagster's history.

    Args:
        instance: Dagster's.
        keys: Their partition keys.
        markers: What names them.

    Raises:
        DatabaseError: Somebody keeps a part of the history from being written; what was done stays.
    """
    scrubbed = Scrubbed()
    order = read_partition_keys(instance)
    for run in _find_runs_of(instance, keys, order):
        delete_run(instance, run)
        scrubbed.runs += 1
    remove_partitions(instance, [key for key in order if key in keys])
    forget_status(instance, PARTITIONED)
    for part in list_history(instance):
        try:
            is_changed = _scrub(part, frozenset(keys), markers, scrubbed)
            # What was deleted earlier, by whomever, is left in free pages and in the journal.
            if part.is_sqlite and (is_changed or _is_in_bytes(part.name, markers)):
                vacuum(part.name)
        except (OperationalError, sqlite3.OperationalError) as error:
            raise DatabaseError(
                f"Dagster's history in {part.name} cannot be written: "
                f"{str(error).partition(chr(10))[0]}.",
                advice="Stop what is writing it (dagster-daemon, dagster-webserver), or see that "
                "the disk has room; then call the same command again, which goes on with it.",
            ) from error
    return scrubbed


def search_history(instance: dg.DagsterInstance, markers: Markers) -> Mapping[str, int]:
    """Count the rows that hold a marker, by database and table; what is compressed included."""
    found: Counter[str] = Counter()
    for part in list_history(instance):
        with part.open() as connection:
            for table in part.tables:
                for rows in _read_marked(connection, table, markers):
                    found[f"{part.name}: {table.name}"] += len(rows)
    return found


def read_keys_of_events(instance: dg.DagsterInstance) -> set[str]:
    """Read the partition keys of all events, those among them whose partitions are gone."""
    found: set[str] = set()
    for part in list_history(instance):
        for table in part.tables:
            if table.name == "event_logs":
                keys = sa.select(table.c.partition).where(table.c.partition.is_not(None)).distinct()
                with part.open() as connection:
                    found |= set(connection.execute(keys).scalars())
    return found


def vacuum(path: str) -> None:
    """Write an SQLite file anew, because what is deleted in it stays in its free pages."""
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("VACUUM").close()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()


def _is_in_bytes(path: str, markers: Markers) -> bool:
    """Whether a marker stands anywhere in an SQLite file or in its journal."""
    places = (Path(path), Path(f"{path}-wal"))
    return any(markers.find_in_file(one) for one in places if one.exists())


def _find_runs_of(
    instance: dg.DagsterInstance, keys: Collection[str], order: Sequence[str]
) -> list[str]:
    """The runs that covered these accounts and nobody else."""
    place = {key: index for index, key in enumerate(order)}
    found: list[str] = []
    for tag in (PARTITION_TAG, RANGE_START_TAG):
        chosen = dg.RunsFilter(tags={tag: list(keys)}) if keys else None
        for record in instance.get_run_records(chosen) if chosen else ():
            tags = record.dagster_run.tags
            first, last = tags.get(RANGE_START_TAG), tags.get(RANGE_END_TAG)
            covered = {tags[PARTITION_TAG]} if PARTITION_TAG in tags else {first, last}
            if first in place and last in place:
                covered |= set(order[place[first] : place[last] + 1])
            run = record.dagster_run
            if (
                covered <= set(keys)
                and run.is_finished
                and not _tells_of_others(instance, run, keys)
            ):
                found.append(run.run_id)
    return list(dict.fromkeys(found))


def _tells_of_others(
    instance: dg.DagsterInstance, run: dg.DagsterRun, keys: Collection[str]
) -> bool:
    """Whether a run has events of other partitions.

    What lay in a range is not known any more where its ends are no partitions now, because their
    accounts were removed, or because an earlier process was killed that forgot them.
    """
    partitions = {event.partition for event in read_events(instance, run.run_id)}
    return bool(partitions - {None, FORGOTTEN, *keys})


def _scrub(part: HistoryPart, keys: frozenset[str], markers: Markers, scrubbed: Scrubbed) -> bool:
    """Take the accounts out of one database; whether there was something of them."""
    is_changed = False
    with part.open() as connection:
        for table in part.tables:
            gone: list[Any] = []
            for rows in list(_read_marked(connection, table, markers)):
                is_changed = True
                for row in rows:
                    if _is_about_them_alone(table.name, row, keys):
                        gone.append(row["id"])
                    else:
                        _replace(connection, table, row, markers)
                        scrubbed.replaced[table.name] += 1
            _delete(connection, table, gone)
            scrubbed.deleted[table.name] += len(gone)
            if table.name == "event_logs" and gone:
                _delete_tags(connection, part, gone)
        if is_changed:
            _point_to_newest(connection, part)
    return is_changed


def _read_marked(
    connection: sa.Connection, table: sa.Table, markers: Markers
) -> Iterator[list[Row]]:
    """Read the rows of a table that hold a marker, some at once, with their texts."""
    if "id" not in table.c:
        return
    columns = [
        column
        for column in table.columns
        if column.name == "id" or isinstance(column.type, sa.String | sa.LargeBinary)
    ]
    last = -1
    while True:
        query = sa.select(*columns).where(table.c.id > last).order_by(table.c.id)
        rows = connection.execute(query.limit(_ROWS_AT_ONCE)).mappings().all()
        if not rows:
            return
        last = rows[-1]["id"]
        # Nearly always there is nothing: one look at all of them is cheaper than one at each.
        if markers.find_words("\n".join(map(_as_text, rows))):
            yield [dict(row) for row in rows if markers.find_words(_as_text(row))]


def _as_text(row: Mapping[Any, Any]) -> str:
    return "\n".join(_unpack(value) for name, value in row.items() if name != "id" and value)


def _unpack(value: object) -> str:
    """A value as text; Dagster compresses its snapshots."""
    if not isinstance(value, bytes):
        return str(value)
    with suppress(zlib.error):
        value = zlib.decompress(value)
    return value.decode(errors="replace")


def _is_about_them_alone(table: str, row: Row, keys: frozenset[str]) -> bool:
    if row.get("partition") in keys or table == "asset_check_executions":
        return True
    # A line of a log has no type of event.
    return table == "event_logs" and row["dagster_event_type"] in (None, *_CHECKED)


def _replace(connection: sa.Connection, table: sa.Table, row: Row, markers: Markers) -> None:
    changed = {
        name: _hide(value, markers)
        for name, value in row.items()
        if isinstance(value, str) and markers.find_words(value)
    }
    if changed:
        connection.execute(sa.update(table).where(table.c.id == row["id"]).values(**changed))


def _hide(text: str, markers: Markers) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return markers.replace(text)
    return markers.replace_in_json(json.dumps(_drop_metadata(value, markers)))


def _drop_metadata(value: Any, markers: Markers) -> Any:
    """Drop what is shown of an event, a table or a picture, where it holds a marker."""
    if isinstance(value, list):
        return [_drop_metadata(one, markers) for one in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    mapping = cast(dict[str, Any], value)
    data = mapping.get("entry_data")
    if data is not None and markers.find_words(json.dumps(data)):
        return {**mapping, "entry_data": _HIDDEN_METADATA}
    return {name: _drop_metadata(one, markers) for name, one in mapping.items()}


def _delete(connection: sa.Connection, table: sa.Table, ids: Sequence[Any]) -> None:
    left = iter(ids)
    while some := list(islice(left, _ROWS_AT_ONCE)):
        connection.execute(sa.delete(table).where(table.c.id.in_(some)))


def _delete_tags(connection: sa.Connection, part: HistoryPart, events: Sequence[Any]) -> None:
    (tags,) = [table for table in part.tables if table.name == "asset_event_tags"]
    left = iter(events)
    while some := list(islice(left, _ROWS_AT_ONCE)):
        connection.execute(sa.delete(tags).where(tags.c.event_id.in_(some)))


def _point_to_newest(connection: sa.Connection, part: HistoryPart) -> None:
    """Let each asset's newest materialization be one that is still there."""
    tables = {table.name: table for table in part.tables}
    if "asset_keys" not in tables:
        return
    assets, events = tables["asset_keys"], tables["event_logs"]
    for asset in connection.execute(sa.select(assets)).mappings().all():
        newest = connection.execute(
            sa.select(events.c.id, events.c.run_id, events.c.event)
            .where(
                events.c.asset_key == asset["asset_key"],
                events.c.dagster_event_type == _MATERIALIZED,
            )
            .order_by(events.c.id.desc())
            .limit(1)
        ).first()
        known = json.loads(asset["last_materialization"] or "{}").get("storage_id")
        if known is None or (newest is not None and known == newest.id):
            continue
        record = newest and {
            "__class__": "EventLogRecord",
            "event_log_entry": json.loads(newest.event),
            "storage_id": newest.id,
        }
        connection.execute(
            sa.update(assets)
            .where(assets.c.id == asset["id"])
            .values(last_materialization=json.dumps(record) if record else None)
        )
