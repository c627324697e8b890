"""``truto-groups copy``: all tables into another database."""

from pathlib import Path

from truto_groups.cli.terminal import complain, say
from truto_groups.runner.copy_database import Copying
from truto_groups.text.visible import show
from truto_groups.text.words import say_count
from truto_groups.warehouse.table_copies import SourceMovedError

_COPIED, _REFUSED = 0, 1


def run_copy(to: str, data_path: str) -> int:
    """Copy all tables, a line for each; 1 when the source is written meanwhile."""
    copying = Copying(to, data_path, cwd=Path.cwd())
    run_id = copying.find_run_at_work()
    if run_id is not None:
        complain(
            f"truto-groups: Run {show(run_id)} syncs accounts now, and the copy would lack what it "
            "publishes. Nothing was changed; stop Dagster, or wait until the run has ended."
        )
        return _REFUSED
    count = 0
    try:
        for table in copying.tables():
            what = "copied" if table.is_new else "there already"
            say(f"{table.name}: {say_count(table.row_count, 'row')}, {what}")
            count += table.row_count
    except SourceMovedError as error:
        complain(f"truto-groups: {error}")
        return _REFUSED
    say(
        f"{say_count(count, 'row')} of {copying.source.shown} are in {copying.target.shown}, and "
        "each table was compared as a whole. Set TRUTO_GROUPS_DATABASE to it to use it."
    )
    return _COPIED
