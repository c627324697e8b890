"""The way to accept, and to review: launchpads, filled in for accounts that wait for a person.

What the jobs do is accept_job.py's and review_job.py's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from truto_groups.defs.dagster_internals import address_launchpad
from truto_groups.report.pending import PendingAcceptance
from truto_groups.report.privileged_changes import UnreviewedChange
from truto_groups.sync.waiting import digest_of

ACCEPT_JOB = "accept_drift"
ACCEPT_OP = "accept"
"""The op of the job, as its configuration names it."""

REVIEW_JOB = "mark_privileged_changes_reviewed"
REVIEW_OP = "mark_reviewed"
"""The op of that job, as its configuration names it."""
MAX_ACCOUNTS = 200
"""In one address; a server reads no more than some 60,000 letters of one."""


def configure_acceptance(pending: Sequence[PendingAcceptance]) -> dict[str, Any]:
    """The configuration that accepts what these accounts sent last.

    It names them and the digest of what was shown; reason and name are for a person to fill in.
    """
    config = {
        "integrated_account_ids": [one.partition_key for one in pending],
        "digest": digest_of(pending),
        "reason": None,
        "accepted_by": None,
    }
    return {"ops": {ACCEPT_OP: {"config": config}}}


def address_acceptance(pending: Sequence[PendingAcceptance], *, location: str) -> str:
    """Where a person accepts what these accounts sent last."""
    return address_launchpad(ACCEPT_JOB, _write(configure_acceptance(pending)), location=location)


def configure_review(unreviewed: Sequence[UnreviewedChange]) -> dict[str, Any]:
    """The configuration that marks what is shown as reviewed, and nothing newer.

    Args:
        unreviewed: The newest first.
    """
    keys = list(dict.fromkeys(one.partition_key for one in unreviewed))
    config = {
        "integrated_account_ids": keys[:MAX_ACCOUNTS],
        "until": unreviewed[0].changed_at.isoformat(),
        "reason": None,
        "reviewed_by": None,
    }
    return {"ops": {REVIEW_OP: {"config": config}}}


def address_review(unreviewed: Sequence[UnreviewedChange], *, location: str) -> str:
    """Where a person marks what is shown as reviewed."""
    return address_launchpad(REVIEW_JOB, _write(configure_review(unreviewed)), location=location)


def _write(config: Mapping[str, Any]) -> str:
    """Write a configuration as YAML; what is None is left empty, for a person to fill in.

    The launchpad marks such a line, and launches nothing.
    """
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    return "\n".join(line.removesuffix(" null") for line in text.split("\n"))
