"""The asset integration_contracts and its check.

What is asked and what a change means is contracts/refresh_contracts.py's and
contracts/declared.py's; here it becomes an asset, a check and their metadata.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from truto_groups import schema
from truto_groups.accounts.model import KnownAccount
from truto_groups.contracts.declared import Change, ContractChange
from truto_groups.contracts.refresh_contracts import (
    ContractAnswers,
    ContractReview,
    MissingParameter,
    advise_parameter,
    ask_for_contracts,
    review_contracts,
)
from truto_groups.defs.assets import GROUP_NAME, KINDS, OWNERS
from truto_groups.defs.data_versions import ACCOUNTS
from truto_groups.defs.failures import keep_secrets, make_failure
from truto_groups.defs.metadata import describe_table, link_account, table_of
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.defs.verdicts import tell_verdicts
from truto_groups.errors import TrutoGroupsError
from truto_groups.report.markdown import draw_table
from truto_groups.session import Session
from truto_groups.settings.query_parameters import find_place
from truto_groups.text.visible import show, show_in_markdown
from truto_groups.text.words import say_count, shorten_words
from truto_groups.warehouse.contracts_table import read_contracts

CONTRACTS = dg.AssetKey(schema.INTEGRATION_CONTRACTS.name)

_NAMED = 5
_MAX_ROWS = 20
_MAX_PLAIN = 500
_LONGEST_WORD = 24
_ADVICE: Mapping[Change, str] = {
    "dropped": "The column will be null at the next sync. If you rely on it, ask Truto why the "
    "mapping no longer fills it.",
    "retyped": "The next sync may be held back by groups_match_contract. Look at what comes, then "
    "accept it or ask Truto.",
    "newly_required": "Give it in the settings file, under {setting}; without it Truto answers "
    "400.",
}
# Where a page may break a line: shortened in the middle, a path would name no setting.
_BREAKABLE = ": "

CONTRACT_CHECK_SPECS = [
    dg.AssetCheckSpec(
        "declared_contracts_are_stable",
        asset=CONTRACTS,
        description="Within the last seven days Truto's meta dropped or retyped no field that we "
        "rely on and required no new parameter, and every required parameter is given by a "
        "setting. A change is told for seven days or until it is undone, a missing parameter as "
        "long as it is missing.",
    )
]


@dg.multi_asset(
    name="refresh_contracts_step",
    specs=[
        dg.AssetSpec(
            CONTRACTS,
            description=(
                "One row per field or query parameter that Truto's meta declares for an "
                "integration in use.\n\n"
                "With its history: what was declared otherwise before has its own row, which ends "
                "with gone_at. Asked once a day; an integration whose question failed keeps its "
                "rows."
            ),
            deps=[ACCOUNTS],
            skippable=True,
            group_name=GROUP_NAME,
            owners=OWNERS,
            kinds=KINDS,
            metadata=describe_table(schema.INTEGRATION_CONTRACTS),
        )
    ],
    check_specs=CONTRACT_CHECK_SPECS,
    can_subset=True,
    # So that a range of accounts can be launched together with it.
    backfill_policy=dg.BackfillPolicy.single_run(),
)
@keep_secrets
def integration_contracts(
    context: dg.AssetExecutionContext, truto: TrutoResource, duckdb: GroupsDatabase
) -> Iterator[Any]:
    """Ask what integrations declare, and judge what changed."""
    problem: TrutoGroupsError | None = None
    session: Session | None = None
    try:
        session = open_session(truto, duckdb)
        if CONTRACTS in context.selected_asset_keys:
            asked = ask_for_contracts(session)
            if asked.failed and not asked.answered:
                raise next(iter(asked.failed.values()))
            yield dg.MaterializeResult(asset_key=CONTRACTS, metadata=_describe(session, asked))
    except TrutoGroupsError as error:
        problem = error
    if session is not None and (problem is None or session.database.exists):
        try:
            (spec,) = CONTRACT_CHECK_SPECS
            is_asked = CONTRACTS in context.selected_asset_keys
            checks = [spec.key] if is_asked else context.selected_asset_check_keys
            results = evaluate_contract_checks(session, checks)
            yield from tell_verdicts(context.instance, results)
        except TrutoGroupsError as error:
            problem = problem or error
    if problem is not None:
        raise make_failure(problem) from None


def evaluate_contract_checks(
    session: Session, selected: Collection[dg.AssetCheckKey]
) -> list[dg.AssetCheckResult]:
    """Evaluate the check on what is committed now, where it is selected.

    Raises:
        DatabaseError: The tables cannot be read.
    """
    (spec,) = CONTRACT_CHECK_SPECS
    if spec.key not in selected:
        return []
    with session.database.reading() as connection:
        review = review_contracts(session, connection)
    metadata: dict[str, Any] = {"failing_accounts": len(_find_concerned(review))}
    if review.changes:
        rows = [_tell_change(change, accounts) for change, accounts in review.changes]
        metadata["what_changed"] = dg.MetadataValue.json(rows)
    if review.missing:
        metadata["missing_parameters"] = dg.MetadataValue.json(_tell_missing(review.missing))
    return [
        dg.AssetCheckResult(
            check_name=spec.name,
            asset_key=CONTRACTS,
            passed=not review.changes and not review.missing,
            severity=dg.AssetCheckSeverity.WARN,
            description=_lay_out(review),
            metadata=metadata,
        )
    ]


def _describe(session: Session, asked: ContractAnswers) -> dict[str, Any]:
    with session.database.reading() as connection:
        rows = read_contracts(connection)
    metadata: dict[str, Any] = {
        "dagster/row_count": len(rows),
        "integrations_asked": len(asked.answered) + len(asked.failed),
        "integrations_not_answered": len(asked.failed),
        "declared_now": sum(row.gone_at is None for row in rows),
    }
    if asked.failed:
        metadata["not_answered"] = table_of(
            {"integration": integration, "error": str(error)}
            for integration, error in asked.failed.items()
        )
    return metadata


def _find_concerned(review: ContractReview) -> set[str]:
    changed = {account.id for _, accounts in review.changes for account in accounts}
    return changed | {one.account.id for one in review.missing}


def _lay_out(review: ContractReview) -> str:
    """A sentence, then what changed, then which accounts lack what is required; as Markdown."""
    parts = [show_in_markdown(_describe_review(review))]
    if review.changes:
        table = draw_table(
            ("integration", "what", "since", "do"),
            (
                (
                    change.integration,
                    f"Truto {shorten_words(_in_words(change), _LONGEST_WORD)}; "
                    f"{say_count(len(accounts), 'account')}.",
                    change.seen_at,
                    shorten_words(_advise(change, joint=_BREAKABLE), _LONGEST_WORD),
                )
                for change, accounts in review.changes
            ),
            count=len(review.changes),
            most=_MAX_ROWS,
            see_all="`what_changed` below",
        )
        parts.append(table)
    if review.missing:
        table = draw_table(
            ("account", "what", "do"),
            (
                (
                    link_account(one.account.partition_key, one.account.label),
                    f"Needs the parameter {shorten_words(one.parameter, _LONGEST_WORD)}, which no "
                    "setting gives.",
                    shorten_words(_advise_on_page(one), _LONGEST_WORD),
                )
                for one in review.missing
            ),
            count=len(review.missing),
            most=_MAX_ROWS,
            see_all="`truto-groups status`",
        )
        parts.append(table)
    return "\n\n".join(parts)


def _describe_review(review: ContractReview) -> str:
    told = [
        f"{change.integration} {_in_words(change)} ({say_count(len(accounts), 'account')})"
        for change, accounts in review.changes
    ]
    told += [
        f"{one.account.partition_key} needs {one.parameter}, which no setting gives"
        for one in review.missing
    ]
    if not told:
        return "What Truto declares is what it declared, and every required parameter is given."
    more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return shorten_words(f"{'; '.join(told[:_NAMED])}{more}.", _LONGEST_WORD * 2)


def _in_words(change: ContractChange) -> str:
    if change.change == "dropped":
        return f"no longer declares {change.name}"
    if change.change == "retyped":
        return f"declares {change.name} as {change.now} instead of {change.was}"
    return f"now requires the parameter {change.name}"


def _advise(change: ContractChange, *, joint: str = ".") -> str:
    setting = _name_setting(change.integration, change.name, joint=joint)
    return _ADVICE[change.change].format(setting=setting)


def _advise_on_page(missing: MissingParameter) -> str:
    """Say what to write beside the account, whose key the row begins with."""
    setting = _name_setting(missing.account.integration, missing.parameter, joint=_BREAKABLE)
    return (
        f"Give it in the settings file: {setting}, or for this account alone. Until then Truto "
        "answers 400."
    )


def _name_setting(integration: str, parameter: str, *, joint: str) -> str:
    return joint.join(("integrations", integration, "query", *find_place(parameter)))


def _tell_change(change: ContractChange, accounts: Sequence[KnownAccount]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "integration": show(change.integration),
        "what": show(_in_words(change)),
        "was": None if change.was is None else show(change.was),
        "now": None if change.now is None else show(change.now),
        "since": change.seen_at.isoformat(timespec="seconds"),
        "told_until": change.told_until.isoformat(timespec="seconds"),
        "do": show(_advise(change)),
        "account_count": len(accounts),
        "accounts": [account.partition_key for account in accounts[:_NAMED]],
    }


def _tell_missing(missing: Sequence[MissingParameter]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "account": one.account.partition_key,
            "integration": show(one.account.integration),
            "parameter": show(one.parameter),
            "do": show(advise_parameter(one)),
        }
        for one in missing[:_MAX_PLAIN]
    ]
    if len(missing) > _MAX_PLAIN:
        rows.append({"left_out": f"{len(missing) - _MAX_PLAIN:,} more: `truto-groups status`"})
    return rows
