"""An integrated account and the groups that it holds, as plain data.

The groups of an account are a sequence for each refresh, so that a test can read exactly what the
sandbox serves. A sequence may make its groups as they are asked for; see ``GeneratedGroups``.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from truto_groups.sandbox.integrations import INTEGRATIONS, Integration
from truto_groups.sandbox.wire import Response

Group = Any  # A mapping as a rule; anything that JSON knows where a test wants bad records.


@dataclass(frozen=True)
class Verbatim:
    """A group given as JSON text, sent as it is: duplicate keys, any number, odd blanks."""

    text: str

    def read(self) -> Any:
        """Read the text as a JSON reader would."""
        return json.loads(self.text)


class GeneratedGroups(Sequence[Group]):
    """Groups that are made when they are asked for, so that none is held in memory."""

    def __init__(self, count: int, make: Callable[[int], Group]) -> None:
        """Promise ``count`` groups; ``make`` turns a position from 0 into its group."""
        self._count = count
        self._make = make

    def __len__(self) -> int:
        """How many groups there are."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> Group: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Group]: ...
    def __getitem__(self, index: int | slice) -> Group | Sequence[Group]:
        """Make one group, or those of a slice."""
        if isinstance(index, slice):
            return [self._make(position) for position in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return self._make(index % self._count)


@dataclass(frozen=True)
class Account:
    """An integrated account.

    Attributes:
        id: UUID of Truto.
        integration: The app's kind.
        refreshes: The unified groups, in full and with ``remote_data``, at each refresh; the last
            entry holds from then on.
        tenant_id: Whose account it is.
        status: One of Truto's five.
        last_error: Why it is not active.
        last_forbidden_error: What the app refused the last time, as Truto tells it: ``resource``,
            ``method``, ``missing_scopes`` and ``occurred_at``; anything a test wants.
        context: What the customer configured; ``label`` is the name that Truto's own tool shows.
        unified_model_override: The customer's own mapping, when there is one.
        failure: What List Groups and Get Group answer instead of groups.
        empty_pages: Numbers of the pages, from 1, that are empty though more follow.
        is_blocked: Truto refuses it with a 503.
    """

    id: str
    integration: Integration
    refreshes: tuple[Sequence[Group], ...] = ((),)
    tenant_id: str | None = None
    status: str = "active"
    is_sandbox: bool = False
    last_error: str | None = None
    last_forbidden_error: Any = None
    created_at: str = "2025-01-15T09:00:00.000Z"
    updated_at: str = "2025-01-15T09:00:00.000Z"
    authentication_method: str = "oauth2"
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    unified_model_override: Mapping[str, Any] | None = None
    failure: Response | None = None
    empty_pages: frozenset[int] = frozenset()
    is_blocked: bool = False

    def groups_at(self, refresh: int) -> Sequence[Group]:
        """The groups at a refresh, counted from 1, in full, as Get Group serves them."""
        return self.refreshes[min(refresh, len(self.refreshes)) - 1]


def make_account(
    integrated_account_id: str,
    *refreshes: Sequence[Group],
    integration: Integration | str = "okta",
    tenant_id: str | None = "acme",
    **fields: Any,
) -> Account:
    """Make an account of one's own.

    Args:
        integrated_account_id: Its UUID.
        *refreshes: Its groups at the first refresh, the second, and so on; none is none.
        integration: One of ``INTEGRATIONS`` by its slug, or one's own.
        tenant_id: Whose account it is.
        **fields: Any other field of ``Account``.
    """
    kind = INTEGRATIONS[integration] if isinstance(integration, str) else integration
    return Account(integrated_account_id, kind, refreshes or ((),), tenant_id=tenant_id, **fields)
