"""Keep what integrations declare: ask Truto for each that is in use, and write what changed.

The rules are declared.py's, the history the warehouse's, what Dagster shows of it defs/'s.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.planning import is_syncable
from truto_groups.contracts.declared import (
    Contract,
    ContractChange,
    KeptRow,
    find_changes,
    find_missing_parameters,
    read_contract,
)
from truto_groups.errors import EnvelopeError, TrutoError
from truto_groups.session import Session
from truto_groups.settings.query import QueryValue
from truto_groups.settings.query_parameters import find_place
from truto_groups.text.logs import get_logger
from truto_groups.truto.blocking import read_declared_contracts
from truto_groups.warehouse.accounts_table import read_known_accounts
from truto_groups.warehouse.connections import Connection
from truto_groups.warehouse.contracts_table import read_contracts, write_contracts
from truto_groups.warehouse.properties_table import claim_base_url

logger = get_logger(__name__)


@dataclass(frozen=True)
class ContractAnswers:
    """What became of asking.

    Attributes:
        answered: Integrations whose contract is kept now.
        failed: Those whose question failed, with the error; their rows stay.
    """

    answered: Sequence[str]
    failed: Mapping[str, TrutoError] = field(default_factory=dict[str, TrutoError])


@dataclass(frozen=True)
class MissingParameter:
    """A parameter that an account's integration requires and no setting gives."""

    account: KnownAccount
    parameter: str


@dataclass(frozen=True)
class ContractReview:
    """What is not as it should be with the declared contracts of the integrations in use.

    Attributes:
        changes: What changed lately, with the accounts that it concerns.
        missing: Required parameters that are not given, by account.
    """

    changes: Sequence[tuple[ContractChange, Sequence[KnownAccount]]]
    missing: Sequence[MissingParameter]


def ask_for_contracts(session: Session) -> ContractAnswers:
    """Ask Truto what each integration in use declares, and keep it.

    Raises:
        SettingsError: The token is missing.
        TokenRejectedError: Truto refuses the token; nothing was changed.
        DatabaseError: Nothing was changed.
    """
    with session.database.writing() as connection:
        claim_base_url(connection, session.knobs.base_url)
        known = read_known_accounts(connection)
    integrations = sorted(_group_in_use(session, known))
    contracts: dict[str, Contract] = {}
    failed: dict[str, TrutoError] = {}
    answers = read_declared_contracts(session.find_client(), integrations)
    for integration, answer in answers.items():
        if isinstance(answer, TrutoError):
            failed[integration] = answer
            continue
        try:
            contracts[integration] = read_contract(answer)
        except ValueError as error:
            failed[integration] = _unusable(integration, str(error))
    for integration, error in failed.items():
        logger.warning("What %s declares is not known anew: %s", integration, error)
    with session.database.writing() as connection:
        write_contracts(connection, contracts, now=session.clock())
    return ContractAnswers(list(contracts), failed)


def review_contracts(session: Session, connection: Connection) -> ContractReview:
    """Tell what changed lately in the contracts in use, and which parameters are missing."""
    rows = read_contracts(connection)
    in_use = _group_in_use(session, read_known_accounts(connection))
    changes = [
        (change, in_use[change.integration])
        for change in find_changes(rows, now=session.clock())
        if change.integration in in_use
    ]
    accounts = [account for accounts in in_use.values() for account in accounts]
    return ContractReview(changes, find_accounts_lacking_parameters(session, accounts, rows=rows))


def find_accounts_lacking_parameters(
    session: Session, accounts: Iterable[KnownAccount], *, rows: Iterable[KeptRow]
) -> list[MissingParameter]:
    """Find the required parameters that the settings of accounts do not give.

    Args:
        session: Whose settings.
        accounts: The accounts to look at.
        rows: Rows of ``integration_contracts``.
    """
    required: dict[str, list[KeptRow]] = {}
    for row in rows:
        if row.gone_at is None and row.declared.is_required:
            required.setdefault(row.integration, []).append(row)
    return [
        MissingParameter(account, parameter)
        for account in accounts
        for parameter in find_missing_parameters(
            required.get(account.integration, ()),
            integration=account.integration,
            given=_list_given(session.settings_for(account).query),
        )
    ]


def advise_parameter(missing: MissingParameter) -> str:
    """Say what to write into the settings file for a missing parameter."""
    account = missing.account
    setting = ".".join(("query", *find_place(missing.parameter)))
    return (
        f"Give it in the settings file: integrations.{account.integration}.{setting}, or "
        f"accounts.{account.id}.{setting}. Until then Truto answers 400."
    )


def _list_given(query: Mapping[str, QueryValue]) -> set[str]:
    remote = query.get("remote_query")
    names = remote if isinstance(remote, dict) else {}
    return {*query, *(name for name in names if find_place(name)[:-1])}


def find_in_use(session: Session, accounts: Iterable[KnownAccount]) -> set[str]:
    """Find the integrations of the accounts that can be synced."""
    return set(_group_in_use(session, accounts))


def _group_in_use(
    session: Session, accounts: Iterable[KnownAccount]
) -> dict[str, list[KnownAccount]]:
    in_use: dict[str, list[KnownAccount]] = {}
    for account in accounts:
        if account.has_integration and is_syncable(
            account, skip=session.settings_for(account).skip
        ):
            in_use.setdefault(account.integration, []).append(account)
    return in_use


def _unusable(integration: str, reason: str) -> EnvelopeError:
    return EnvelopeError(
        f"The contract of List Groups for {integration} tells nothing: {reason}.",
        advice="What was known of it stays. Look at the integration's mapping in Truto.",
    )
