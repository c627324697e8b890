"""How a check's verdict is told, so that it stays in sight until there is another.

Dagster hides what a check said last in two cases: while a run is planned to evaluate it, and once
another run has materialized anything of the asset. The former the jobs (which plan no checks, the
steps tell by themselves) and home.py see to, the latter is seen to here. What a check says is
checks.py's and integration_contracts.py's.
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import dagster as dg

from truto_groups.defs.dagster_internals import target_newest

# A verdict on a partition is shown until that partition is materialized again, and a verdict on
# none until any is. No account is called so, because a partition's key holds no space.
ALL_ACCOUNTS = "all accounts"


def tell_verdicts(
    instance: dg.DagsterInstance, results: Iterable[dg.AssetCheckResult]
) -> Iterator[dg.AssetCheckEvaluation]:
    """Make of results the events that a step yields or logs, once in a run and at its end.

    Args:
        instance: Where the newest materialization is looked up, to which the UI links.
        results: Each with its check and asset.
    """
    for result in results:
        if result.asset_key is None or result.check_name is None:
            raise ValueError(f"A verdict without a check: {result}")
        yield dg.AssetCheckEvaluation(
            asset_key=result.asset_key,
            check_name=result.check_name,
            passed=result.passed,
            metadata=result.metadata,
            target_materialization_data=target_newest(instance, result.asset_key),
            severity=result.severity,
            description=result.description,
            partition=ALL_ACCOUNTS,
        )


def log_verdicts(context: dg.OpExecutionContext, results: Iterable[dg.AssetCheckResult]) -> None:
    """Tell results from an op, which yields no events of assets."""
    for verdict in tell_verdicts(context.instance, results):
        # Recorded like any event, though its type is not among those that are declared.
        context.log_event(cast(Any, verdict))
