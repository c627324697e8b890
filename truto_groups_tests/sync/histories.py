"""Accounts that live through a history of their own, all of them together: a sync a day for all.

For tests that only look at what became of an account: two syncs of thirty accounts cost no more
than those of two. What is found here in a file is the same in a lake, in which
warehouse/test_same_on_both_stores.py lets these accounts live through the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from truto_groups.sync.settle import AccountResult
from truto_groups_tests.stand import DATA_TABLES, Row, Stand, open_stand, read_tables

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
    settings: Mapping[str, Any]
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Histories:
    """The accounts of a file of tests.

    Attributes:
        settings: Of each account, which its own are added to.
    """

    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    _histories: dict[str, _History] = field(default_factory=dict[str, _History])

    def add(
        self,
        *answers: Sequence[Any],
        settings: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """Let one more account answer this, on one day after the other.

        Args:
            *answers: Its groups on each day.
            settings: Its own.
            **fields: Of the account.

        Returns:
            Its id.
        """
        account = f"{len(self._histories) + 1:08x}-0000-4000-8000-000000000001"
        own = {**self.settings, **(settings or {})}
        self._histories[account] = _History(answers, own, fields)
        return account

    def add_all(self, others: "Histories") -> None:
        """Let the accounts of others live through the same here, under other ids."""
        for one in others._histories.values():
            self.add(*one.answers, settings=one.settings, **one.fields)

    def make_settings(self, **sections: Any) -> str:
        """The text of a settings file with the settings of all accounts, and other sections."""
        own = {account: one.settings for account, one in self._histories.items() if one.settings}
        return json.dumps({**sections, "accounts": own})

    def connect(self, stand: Stand) -> None:
        """Connect all accounts, which answer nothing yet."""
        for account, one in self._histories.items():
            stand.put(account, **one.fields)

    def answer(self, stand: Stand, day: int) -> list[str]:
        """Give the accounts what they answer on a day, which counts from 1; which do."""
        today = {key: one for key, one in self._histories.items() if day <= len(one.answers)}
        for account, one in today.items():
            stand.put(account, one.answers[day - 1], **one.fields)
        return list(today)

    def live_through(self, stand: Stand) -> Past:
        """Connect all accounts, and sync them on each day on which they answer."""
        stand.write_settings(self.make_settings())
        self.connect(stand)
        stand.discover()
        results: dict[tuple[str, int], AccountResult] = {}
        days: list[Mapping[str, Sequence[Row]]] = []
        for day in range(1, max(len(one.answers) for one in self._histories.values()) + 1):
            for account, result in stand.sync(*self.answer(stand, day), run_id=f"run{day}").items():
                assert isinstance(result, AccountResult)
                results[account, day] = result
            days.append(read_tables(stand.database, *TABLES))
            stand.pass_time(days=1)
        return Past(stand, results, days)

    def make_past(self) -> Any:
        """Make the fixture ``past``, for those who only look."""

        @pytest.fixture(name="past", scope="module")
        def provide_past(tmp_path_factory: pytest.TempPathFactory) -> Past:
            with open_stand(tmp_path_factory.mktemp("past")) as stand:
                return self.live_through(stand)

        return provide_past
