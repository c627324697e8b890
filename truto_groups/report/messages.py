"""What a person is told of a failed run and of a check that changed, in words and as JSON.

Pure: what is known in, messages out. Where they go, and what becomes of one that cannot be
delivered, is delivery.py's and defs/'s.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from truto_groups.accounts.names import say_account
from truto_groups.text.secrecy import redact
from truto_groups.text.visible import show_in_cell, show_lines
from truto_groups.text.words import say_count

_NAMED: Final = 20
_MAX_REASON: Final = 1000
_NUMBER: Final = re.compile(r"\d[\d.,]*")
_COLOURS: Final = {"passed": "green", "warn": "yellow", "error": "red"}

Message = Mapping[str, Any]
"""What is posted: always with ``event`` and ``text``, which chat tools show by themselves."""


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An account that a run tried and did not publish.

    Attributes:
        integrated_account_id: The account.
        partition_key: How people name it; its id when it is not known.
        label: What its tenant called it, or None.
        integration: The app's kind; "unknown" when the account is not known.
        tenant_id: Whose it is, or None.
        outcome: ``failed``, ``held_back``, or ``running`` when the run was killed.
        error_kind: The kind of failure, or None.
        error: What went wrong and what to do, or None.
        earlier_outcome: How the account's attempt before this one ended; None without one.
        earlier_kind: Its kind of failure, or None.
        earlier_error: What went wrong then, or None.
    """

    integrated_account_id: str
    partition_key: str
    label: str | None
    integration: str
    tenant_id: str | None
    outcome: str
    error_kind: str | None
    error: str | None
    earlier_outcome: str | None = None
    earlier_kind: str | None = None
    earlier_error: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether it was told before: the account failed the time before, for the same reason.

        Numbers in the reason do not make another one: those of a held-back sync move with every
        sync.
        """
        return self.outcome in ("failed", "held_back") and (
            (self.outcome, self.error_kind, _NUMBER.sub("#", self.error or ""))
            == (self.earlier_outcome, self.earlier_kind, _NUMBER.sub("#", self.earlier_error or ""))
        )

    @property
    def reason(self) -> str:
        """What went wrong and what to do."""
        if self.error is None:
            return "The run ended while it was being synced. The next sync tries again."
        return _cut(self.error)


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that failed.

    Attributes:
        run_id: The run.
        job: Its job, or what was materialized.
        description: What it says of its failure.
    """

    run_id: str
    job: str
    description: str


@dataclass(frozen=True, slots=True)
class CheckState:
    """What a check said last.

    Attributes:
        check: Its name.
        asset: On which asset.
        state: ``passed``, ``warn`` or ``error``.
        description: In words, naming accounts.
        run_id: The run that evaluated it.
    """

    check: str
    asset: str
    state: str
    description: str
    run_id: str


def tell_failed_run(run: FailedRun, attempts: Sequence[FailedAttempt]) -> Message | None:
    """Tell a failed run: its accounts with reasons and advice, or what it says itself.

    Args:
        run: The run.
        attempts: What it did not publish; empty when it is about no accounts.

    Returns:
        None when every account's failure was told before and its reason is the same.
    """
    news = [attempt for attempt in attempts if not attempt.is_known]
    if attempts and not news:
        return None
    known = len(attempts) - len(news)
    lines = [f"Run {run.run_id} of {run.job} failed."]
    if news:
        lines.append(f"Not published: {say_count(len(news), 'integrated account')}.")
        lines += [
            f"- {show_in_cell(f'{say_account(one.partition_key, one.label)}: {one.reason}')}"
            for one in news[:_NAMED]
        ]
    else:
        lines.append(show_lines(_cut(redact(run.description))))
    if len(news) > _NAMED:
        lines.append(f"- and {len(news) - _NAMED} more; see account_syncs or truto-groups status.")
    if known:
        lines.append(f"{known} more fail as told before.")
    return {
        "event": "run_failed",
        "text": "\n".join(lines),
        "run_id": run.run_id,
        "job": run.job,
        "failed_accounts": len(news),
        "failed_as_before": known,
        "accounts": [
            {
                "integrated_account_id": one.integrated_account_id,
                "partition_key": one.partition_key,
                "label": one.label,
                "integration": one.integration,
                "tenant_id": one.tenant_id,
                "outcome": one.outcome,
                "error_kind": one.error_kind,
                "error": one.reason,
            }
            for one in news[:_NAMED]
        ],
    }


def tell_check_change(now: CheckState, *, before: str | None) -> Message | None:
    """Tell a check that turned.

    Args:
        now: What it says now.
        before: Its state as last told; None when it was never seen.

    Returns:
        None when it did not turn; a check that was green from the beginning did not.
    """
    if now.state == before or (before is None and now.state == "passed"):
        return None
    turned = "is" if before is None else "turned"
    return {
        "event": "check_changed",
        "text": f"The check {now.check} of {now.asset} {turned} {_COLOURS[now.state]}: "
        f"{show_in_cell(_cut(now.description))}",
        "check": now.check,
        "asset": now.asset,
        "state": now.state,
        "before": before,
        "run_id": now.run_id,
    }


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}…"
