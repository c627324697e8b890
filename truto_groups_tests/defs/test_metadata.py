"""What the UI shows of a table. Real: HTTP, DuckDB, the syncs that lead there; no Dagster runs."""

import pytest

from truto_groups.defs.metadata import describe_changes, describe_groups, table_of
from truto_groups.sync.settle import AccountResult
from truto_groups.warehouse.ledger_table import Attempt
from truto_groups.warehouse.overview_queries import read_newest_changes
from truto_groups_tests.defs.project import shown_rows
from truto_groups_tests.stand import A, Stand, group

pytestmark = pytest.mark.long


def test_the_newest_changes_come_first_and_it_is_said_where_there_are_more(stand: Stand) -> None:
    stand.put(A, [group(0)])
    stand.discover()
    for name in ("Group 0", "First", "Second", "Third"):
        stand.put(A, [group(0, name)])
        stand.pass_time(hours=1)
        stand.sync(run_id=name)

    def show(most: int) -> str:
        with stand.database.reading() as connection:
            changes = read_newest_changes(connection, most=most)
        return str(describe_changes(changes, private=(), most=most)["newest_changes"].value)

    rows = [line for line in show(4).split("\n") if "renamed" in line]
    assert [row.split("| ")[3] for row in rows] == [
        "renamed *Second* → *Third* |",
        "renamed *First* → *Second* |",
        "renamed *Group 0* → *First* |",
    ]
    assert show(4).endswith(rows[-1])
    assert show(2).split("\n")[-3:] == [
        rows[1],
        "",
        "These are the newest 2; the table `group_changes` has all.",
    ]


def test_no_table_is_cut_without_saying_so() -> None:
    rows = shown_rows(table_of({"account": f"a{number}"} for number in range(103)))
    assert [len(rows), rows[-1]["account"]] == [101, "and 3 more: `truto-groups status`"]

    preview = [{"id": f"g{number}", "name": "x", "group_type": None} for number in range(10)]
    result = AccountResult(Attempt(A, "published", group_count=12), preview=preview)
    rows = shown_rows(describe_groups(result, is_private=False)["preview"])
    assert [len(rows), rows[-1]["group"]] == [11, "and 2 more: the table `groups`"]
    whole = AccountResult(Attempt(A, "published", group_count=10), preview=preview)
    assert len(shown_rows(describe_groups(whole, is_private=False)["preview"])) == 10
