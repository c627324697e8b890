"""Integrated accounts as plain values: as Truto lists them, and as we know them.

Pure: no network, no database. What follows from them is told in listing.py, planning.py and
freshness.py.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

ACTIVE = "active"
UNKNOWN_INTEGRATION = "unknown"
"""Stands where Truto does not say an account's integration; no two accounts have it in common."""


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """An app that a tenant connected, as Truto lists it.

    Attributes:
        id: Its UUID.
        integration: Slug of the app, such as ``okta``; UNKNOWN_INTEGRATION when Truto does not say.
        tenant_id: Whose it is, in the customer's own numbering.
        label: What its tenant called it, or None.
        status: ``active``, ``connecting``, ``post_install_error``, ``validation_error`` or
            ``needs_reauth``; "unknown" when Truto does not say.
        is_sandbox: Whether it is one of Truto's sandbox accounts.
        last_error: Truto's words on why it is not active.
        created_at: Aware UTC instant.
        updated_at: Aware UTC instant.
        override_digest: Changes when the account's own mapping changes; None without one.
        forbidden_call: What Truto was refused (403) the last time, such as ``groups list``; None
            when Truto tells of nothing.
        forbidden_scopes: The scopes that were missing then, or None.
        forbidden_at: Aware UTC instant of that, or None.
    """

    id: str
    integration: str
    status: str
    tenant_id: str | None = None
    label: str | None = None
    is_sandbox: bool = False
    last_error: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    override_digest: str | None = None
    forbidden_call: str | None = None
    forbidden_scopes: str | None = None
    forbidden_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All of a listing of integrated accounts.

    Attributes:
        accounts: One entry per account, in the order of the listing. Of an account that was listed
            twice, as one that moves between two pages is, the later row is taken.
        unreadable: Rows without an id that could be read, in words. Whoever is missing may be one
            of these, so that nobody is gone by such a listing.
    """

    accounts: Sequence[ListedAccount]
    unreadable: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An integrated account as last listed, with what became of its syncs.

    Attributes:
        id: Truto's UUID.
        partition_key: How people and Dagster name it; made when it was first listed.
        integration: The app's kind, as a slug.
        tenant_id: The customer who connected the app.
        label: What its tenant called it, or None.
        status: Truto's word on the connection.
        supports_groups: Whether its integration lists groups; None when not known.
        is_sandbox: Whether it is one of Truto's sandbox accounts.
        last_error: Truto's words on why it is not active.
        created_at: When it was connected.
        updated_at: When Truto last changed it.
        first_listed_at: When we first saw it.
        listed_at: When a listing last held it.
        gone_at: When a complete listing first lacked it, or None.
        last_confirmed_at: When its groups were last confirmed, or None.
        wanted_at: When a reason to sync it soon was last seen, or None.
        attempted_conditions: Digest of settings and listing at its last attempt, or None.
        attempted_at: When its last attempt began, or None.
        attempt_finished_at: When that ended, or None.
        outcome: How that ended, or None.
        error_kind: Its kind of failure, or None.
        error: What went wrong then and what to do, or None.
        group_count: Groups at its last confirmed sync, or None.
        rows_digest: Of the answer that its rows were made of, or None.
        seconds: How long that sync took, or None.
    """

    id: str
    partition_key: str
    integration: str
    tenant_id: str | None
    label: str | None
    status: str
    supports_groups: bool | None
    is_sandbox: bool | None
    last_error: str | None
    created_at: datetime | None
    updated_at: datetime | None
    first_listed_at: datetime
    listed_at: datetime
    gone_at: datetime | None = None
    last_confirmed_at: datetime | None = None
    wanted_at: datetime | None = None
    attempted_conditions: str | None = None
    attempted_at: datetime | None = None
    attempt_finished_at: datetime | None = None
    outcome: str | None = None
    error_kind: str | None = None
    error: str | None = None
    group_count: int | None = None
    rows_digest: str | None = None
    seconds: float | None = None

    @property
    def has_integration(self) -> bool:
        """Whether Truto ever said of which integration it is."""
        return self.integration != UNKNOWN_INTEGRATION

    @property
    def is_active(self) -> bool:
        """Whether Truto says that the connection works."""
        return self.status == ACTIVE

    def name_in(self, text: str) -> str:
        """Return a text that names the account by its id, with its key in its place."""
        return text.replace(self.id, self.partition_key)

    def conditions(self, settings_digest: str) -> str:
        """Return the digest of what a failure that no retry heals depends on."""
        listing = f"{self.status} {self.updated_at} {self.integration} {self.supports_groups}"
        return hashlib.sha256(f"{settings_digest} {listing}".encode()).hexdigest()[:16]
