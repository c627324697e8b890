"""What a run works with: settings, database, clock and the way to Truto, gathered when it starts.

Plain values past this point; where they come from (a Dagster resource, the environment) is
defs/resources.py's to know.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.planning import Pace
from truto_groups.errors import SettingsError
from truto_groups.settings import AccountSettings, EffectiveKnobs, Settings
from truto_groups.warehouse.database import Database

if TYPE_CHECKING:
    # HTTP takes 0.3 s to import, and `truto-groups status` sends nothing.
    from truto_groups.truto import TrutoClient


# How far this process lives behind the present. Of the whole process, because a sync has threads.
_behind = timedelta(0)


def read_clock() -> datetime:
    """The present, as an aware UTC instant."""
    return datetime.now(UTC) - _behind


@contextmanager
def living_at(instant: datetime) -> Generator[None]:
    """Let the clock of this process go on from an instant that has passed, until the block ends.

    For the demo alone, which replays a week: what is synced in the block is of that time.

    Raises:
        ValueError: The instant is naive, or still to come.
    """
    global _behind
    if instant.tzinfo is None:
        raise ValueError("instant must be an aware instant.")
    behind = datetime.now(UTC) - instant
    if behind < timedelta(0):
        raise ValueError(f"{instant} is still to come.")
    before, _behind = _behind, behind
    try:
        yield
    finally:
        _behind = before


@dataclass(frozen=True)
class Session:
    """What a run works with.

    Attributes:
        settings: The settings file.
        knobs: The knobs as they hold.
        database: The way into the database.
        find_client: Returns what makes a client; raises SettingsError without a token, so that
            only what needs Truto needs one.
        clock: Gives the present.
        monotonic: Seconds since any moment, which never go back.
    """

    settings: Settings
    knobs: EffectiveKnobs
    database: Database
    find_client: "Callable[[], Callable[[], TrutoClient]]"
    clock: Callable[[], datetime] = read_clock
    monotonic: Callable[[], float] = time.monotonic
    _settings_of: dict[str, AccountSettings] = field(
        default_factory=dict[str, AccountSettings], repr=False
    )

    def settings_for(self, account: KnownAccount) -> AccountSettings:
        """What holds for an account."""
        found = self._settings_of.get(account.id)
        if found is None:
            found = self.settings.for_account(
                account.id,
                account.integration,
                partition_key=account.partition_key,
                knobs=self.knobs,
            )
            self._settings_of[account.id] = found
        return found

    def find_mistake(self, account: KnownAccount) -> SettingsError | None:
        """What is wrong in what the settings file says of an account, which concerns it alone."""
        return self.settings.find_mistake(
            account.id, account.integration, partition_key=account.partition_key
        )

    def pace_of(self, account: KnownAccount) -> Pace:
        """How often an account is synced."""
        settings = self.settings_for(account)
        return Pace(settings.refresh_every, settings.skip, settings.digest)

    def max_age_of(self, account: KnownAccount) -> timedelta | None:
        """How old an account's groups may be; None when it is skipped."""
        settings = self.settings_for(account)
        return None if settings.skip else settings.max_age
