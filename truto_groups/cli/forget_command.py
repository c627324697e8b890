"""``truto-groups forget``: everything of accounts removed, with a certificate."""

from collections.abc import Sequence
from pathlib import Path

from truto_groups.accounts.model import KnownAccount
from truto_groups.accounts.names import say_account
from truto_groups.cli.terminal import complain, say, say_as_typed
from truto_groups.report.certificate import Certificate, write_certificate
from truto_groups.runner.forget_accounts import ForgetReport, forget
from truto_groups.runner.forget_plan import ForgetRequest
from truto_groups.text.visible import show
from truto_groups.text.words import say_count


def run_forget(request: ForgetRequest) -> int:
    """Forget accounts and print the certificate, or why they are not; returns the exit code."""
    report = forget(request, cwd=Path.cwd())
    _tell_refusals(report)
    for issued in report.certificates:
        if issued.where is None:
            say_as_typed(write_certificate(issued.certificate, is_json=False))
        else:
            _summarize(issued.certificate, where=issued.where)
        if issued.problem:
            complain(
                f"truto-groups: The certificate cannot be written to {show(issued.problem)}. Keep "
                "what is printed."
            )
    if report.certificates and report.returning:
        complain(
            f"truto-groups: Truto still lists {_name(report.returning)}: the next discovery brings "
            "them back. Delete them at Truto, or set `skip: true` for them in the settings, which "
            "keeps their groups out."
        )
    return report.exit_code


def _tell_refusals(report: ForgetReport) -> None:
    for one in report.unknown:
        complain(f"truto-groups: {show(one.name)}: {one.what}; {one.hint}")
    if report.in_flight:
        complain(
            f"truto-groups: {_name(report.in_flight)}: a run covers them now. Nothing was changed; "
            "try again when it has ended, or end it."
        )
    if report.listed:
        complain(
            f"truto-groups: {_name(report.listed)}: Truto still lists them, so that the next "
            "discovery would find them again, and sync them. Nothing was changed. Delete them at "
            "Truto or set `skip: true` for them in the settings first; or add --yes."
        )


def _summarize(certificate: Certificate, *, where: Path) -> None:
    rows = sum(certificate.rows.values())
    accounts = say_count(len(certificate.accounts), "account")
    say(
        f"Forgot {accounts}: {say_count(rows, 'row')} of the database, and what Dagster's history "
        f"held. The certificate is {show(str(where))}."
    )
    for place in certificate.remains:
        complain(f"truto-groups: left over in {show(place.where)}: {place.note}")
    if not certificate.is_clean:
        complain("The same command goes on with it.")


def _name(accounts: Sequence[KnownAccount]) -> str:
    return ", ".join(show(say_account(one.partition_key, one.label)) for one in accounts)
