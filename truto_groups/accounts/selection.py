"""Which accounts a person means: by name, tenant, integration and state, and what was mistyped.

Pure. What is done with those that are meant is the commands' business.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from truto_groups.accounts.freshness import StaleAccount
from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.names import find_account, find_accounts_beginning
from truto_groups.schema import GROUP_TYPES
from truto_groups.text.nearest import ask_for, find_nearest
from truto_groups.text.visible import show

STALE, FRESH, NEVER_SYNCED, GONE = "stale", "fresh", "never_synced", "gone"
_OUTCOMES = ("published", "unchanged", "held_back", "failed", "skipped", "interrupted", "running")
_STATUSES = ("active", "connecting", "needs_reauth", "post_install_error", "validation_error")
_STATES = (STALE, FRESH, NEVER_SYNCED, GONE, *_STATUSES, *_OUTCOMES)
_TYPES = (*GROUP_TYPES, "unmapped")
_NAMED = 5
_SEE_ALL = "`truto-groups status` shows all."
_ID_BEGINNING = 8


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which accounts a person wants: of each kind any, of all kinds that are given.

    Attributes:
        names: Accounts as people name them.
        tenants: Whose they are.
        integrations: The app's kinds, as slugs.
        states: As find_states says them.
    """

    names: Sequence[str] = ()
    tenants: Sequence[str] = ()
    integrations: Sequence[str] = ()
    states: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it lets every account pass."""
        return not (self.names or self.tenants or self.integrations or self.states)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that is nobody's.

    Attributes:
        name: As it was typed.
        what: What there is not, as in ``no account of such a tenant``.
        hint: What may have been meant.
    """

    name: str
    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What a filter lets pass.

    Attributes:
        accounts: The accounts, in the order in which they were given.
        unknown: What was named and is nobody's.
    """

    accounts: Sequence[KnownAccount]
    unknown: Sequence[Unknown] = ()


def select_accounts(
    accounts: Sequence[KnownAccount],
    wanted: AccountFilter,
    *,
    states_of: Callable[[KnownAccount], Collection[str]] = lambda account: (),
) -> Selection:
    """Select the accounts that are wanted, and say which names are nobody's.

    Args:
        accounts: All known accounts.
        wanted: What is wanted.
        states_of: Gives the states of an account; not needed where none is wanted.
    """
    named, unknown = find_named(wanted.names, accounts)
    tenants = {account.tenant_id for account in accounts if account.tenant_id}
    integrations = {account.integration for account in accounts}
    states = {state for account in accounts for state in states_of(account)}
    wished = {_fold(state) for state in wanted.states}
    unknown += [
        *_find_unknown(wanted.tenants, tenants, what="no account of such a tenant"),
        *find_unknown_integrations(wanted.integrations, integrations),
        *_find_unknown([*wished], {*_STATES, *states}, what="no account of such a state"),
    ]
    found = [
        account
        for account in accounts
        if (not wanted.names or account.id in named)
        and (not wanted.tenants or account.tenant_id in wanted.tenants)
        and (not wanted.integrations or account.integration in wanted.integrations)
        and (not wished or wished & set(states_of(account)))
    ]
    return Selection(found, unknown)


def find_named(
    names: Iterable[str], accounts: Sequence[KnownAccount]
) -> tuple[list[str], list[Unknown]]:
    """Find the ids of accounts that people name, and the names that are nobody's."""
    partition_keys = {account.id: account.partition_key for account in accounts}
    found: list[str] = []
    unknown: list[Unknown] = []
    for name in dict.fromkeys(names):
        account_id = find_account(name, partition_keys)
        if account_id is None:
            unknown.append(_tell_unknown(name, accounts, partition_keys))
        else:
            found.append(account_id)
    return list(dict.fromkeys(found)), unknown


def explain_unknown(
    unknown: Iterable[Unknown], accounts: Sequence[KnownAccount], *, instant: datetime
) -> list[Unknown]:
    """Say of names that were nobody's at an instant whose they are by now, and since when.

    Args:
        unknown: Names that were nobody's then.
        accounts: The accounts that are known by now.
        instant: Aware UTC instant.
    """
    return [_explain(one, accounts, instant) for one in unknown]


def _explain(one: Unknown, accounts: Sequence[KnownAccount], instant: datetime) -> Unknown:
    account_id = find_account(one.name, {known.id: known.partition_key for known in accounts})
    listed = [
        known.first_listed_at
        for known in accounts
        if account_id == known.id or one.name in (known.tenant_id, known.integration)
    ]
    if not listed or min(listed) <= instant:
        return one
    what = f"not known yet at {instant.isoformat(timespec='seconds')}"
    hint = f"it was first listed at {min(listed).isoformat(timespec='seconds')}."
    return Unknown(one.name, what, hint)


def find_unknown_integrations(names: Iterable[str], known: Iterable[str]) -> list[Unknown]:
    """Find the names that are no known account's integration."""
    return _find_unknown(names, known, what="no account of such an integration")


def find_unknown_types(names: Iterable[str]) -> list[Unknown]:
    """Find the names that are no type of a group; their case is nothing."""
    wrong = [name for name in names if name.lower() not in _TYPES]
    hint = f"a type is one of {', '.join(_TYPES)}."
    return _find_unknown(wrong, _TYPES, what="no such type of a group", otherwise=hint)


def find_states(stale: Iterable[StaleAccount]) -> Callable[[KnownAccount], Collection[str]]:
    """Find the states of accounts, in words that a person can ask for.

    Args:
        stale: Those of the accounts that are stale.

    Returns:
        Gives an account's states: what Truto says of it, or ``gone``; how its last attempt ended;
        and ``stale``, ``fresh`` or ``never_synced``.
    """
    overdue = {found.account.id for found in stale}

    def states_of(account: KnownAccount) -> Collection[str]:
        states = {_fold(account.status) if account.gone_at is None else GONE}
        states |= {account.outcome} if account.outcome else set[str]()
        if account.last_confirmed_at is None:
            states.add(NEVER_SYNCED)
        if account.id in overdue:
            states.add(STALE)
        elif account.last_confirmed_at is not None:
            states.add(FRESH)
        return states

    return states_of


def count_states(accounts: Sequence[KnownAccount], stale: Iterable[StaleAccount]) -> dict[str, int]:
    """Count the accounts in each state that is known here; an account is in several."""
    states_of = find_states(stale)
    counts: dict[str, int] = dict.fromkeys(_STATES, 0)
    for account in accounts:
        for state in states_of(account):
            if state in counts:  # what Truto calls an account may be any text
                counts[state] += 1
    return counts


def _tell_unknown(
    name: str, accounts: Sequence[KnownAccount], partition_keys: Mapping[str, str]
) -> Unknown:
    """Say why a name is nobody's, and whom somebody may have meant by it."""
    for option, known in (
        ("integration", {account.integration for account in accounts}),
        ("tenant", {account.tenant_id for account in accounts if account.tenant_id}),
    ):
        if name in known:
            hint = f"`--{option} {show(name)}` names all of that {option}."
            return Unknown(name, "no such account", hint)
    shared = [partition_keys[one] for one in find_accounts_beginning(name, partition_keys)]
    if shared:
        told = ", ".join(map(show, sorted(shared)[:_NAMED])) + (" …" if shared[_NAMED:] else ".")
        return Unknown(name, f"no one account alone, {len(shared)} begin so", told)
    length = max(len(name), _ID_BEGINNING)
    by_name = {account_id[:length]: key for account_id, key in partition_keys.items()}
    by_name |= {key: key for key in partition_keys.values()}
    nearest = dict.fromkeys(by_name[one] for one in find_nearest(name, by_name))
    return Unknown(name, "no such account", ask_for(map(show, nearest)) or _SEE_ALL)


def _find_unknown(
    names: Iterable[str], known: Iterable[str], *, what: str, otherwise: str = _SEE_ALL
) -> list[Unknown]:
    known = list(known)
    return [
        Unknown(name, what, ask_for(map(show, find_nearest(name, known))) or otherwise)
        for name in dict.fromkeys(names)
        if name not in known
    ]


def _fold(state: str) -> str:
    return state.lower().replace("-", "_").replace(" ", "_")
