"""Accounts that live through a history of their own, all of them together: a sync a day for all.

For tests that only look at what became of an account: two syncs of thirty accounts cost no more
than those of two.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from truto_groups.sync.settle import AccountResult
from truto_groups_tests.postgres import PostgresCluster
from truto_groups_tests.stand import (
    DATA_TABLES,
    Row,
    Stand,
    open_stand,
    read_tables,
    use_ducklake,
)

TABLES = (
    *DATA_TABLES,
    "privileged_group_changes",
    "held_back_groups",
    "account_shapes",
    "account_syncs",
)


@dataclass(frozen=True)
class Past:
    """What all accounts of some histories have lived through.

    Attributes:
        stand: Whose tables these are.
        results: What became of an account on a day, which counts from 1.
        days: The tables as they were at the end of each day.
    """

    stand: Stand
    results: Mapping[tuple[str, int], AccountResult]
    days: Sequence[Mapping[str, Sequence[Row]]]

    def rows(self, table: str, account: str, *, day: int = 0) -> list[Row]:
        """At the end of a day, or of all."""
        rows = self.days[day - 1][table]
        return [row for row in rows if row["integrated_account_id"] == account]

    def data(self, account: str, *, day: int) -> dict[str, list[Row]]:
        """All that a publication writes of the account."""
        return {table: self.rows(table, account, day=day) for table in DATA_TABLES}

    def outcome(self, account: str, *, day: int) -> str:
        return self.results[account, day].attempt.outcome

    def changes(self, account: str) -> list[tuple[str, str, str | None, dict[str, Any]]]:
        return [
            (row["id"], row["change"], row["hint"], json.loads(row["changed_fields"]))
            for row in self.rows("group_changes", account)
        ]


@dataclass(frozen=True)
class _History:
    answers: Sequence[Sequence[Any]]
    settings: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Histories:
    """The accounts of a file of tests.

    Attributes:
        settings: Of all accounts, as a line of the settings file.
    """

    settings: str = ""
    _histories: dict[str, _History] = field(default_factory=dict[str, _History])

    def add(self, *answers: Sequence[Any], settings: str = "", **fields: Any) -> str:
        """Let one more account answer this, on one day after the other.

        Args:
            *answers: Its groups on each day.
            settings: Its own, as a YAML mapping in one line.
            **fields: Of the account.

        Returns:
            Its id.
        """
        account = f"{len(self._histories) + 1:08x}-0000-4000-8000-000000000001"
        self._histories[account] = _History(answers, settings, fields)
        return account

    def live_through(self, stand: Stand) -> Past:
        """Connect all accounts, and sync them on each day on which they answer."""
        own = {account: one.settings for account, one in self._histories.items() if one.settings}
        lines = [f"  {account}: {settings}" for account, settings in own.items()]
        stand.write_settings("\n".join([self.settings, *(["accounts:", *lines] if lines else [])]))
        for account, one in self._histories.items():
            stand.put(account, **one.fields)
        stand.discover()
        results: dict[tuple[str, int], AccountResult] = {}
        days: list[Mapping[str, Sequence[Row]]] = []
        for day in range(1, max(len(one.answers) for one in self._histories.values()) + 1):
            for account, result in stand.sync(
                *self._answer(stand, day), run_id=f"run{day}"
            ).items():
                assert isinstance(result, AccountResult)
                results[account, day] = result
            days.append(read_tables(stand.database, *TABLES))
            stand.pass_time(days=1)
        return Past(stand, results, days)

    def make_past(self) -> Any:
        """Make the fixture ``past``, lived through on a DuckDB file and, slowly, on a lake.

        For those who only look.
        """
        lake = pytest.param("lake", marks=pytest.mark.slow)

        @pytest.fixture(name="past", scope="module", params=["file", lake])
        def provide_past(
            request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
        ) -> Iterator[Past]:
            with open_stand(tmp_path_factory.mktemp("past")) as stand:
                if request.param == "lake":
                    cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
                    use_ducklake(stand, cluster.make_database())
                yield self.live_through(stand)

        return provide_past

    def _answer(self, stand: Stand, day: int) -> list[str]:
        """Give the accounts what they answer on a day; which do."""
        today = {key: one for key, one in self._histories.items() if day <= len(one.answers)}
        for account, one in today.items():
            stand.put(account, one.answers[day - 1], **one.fields)
        return list(today)
