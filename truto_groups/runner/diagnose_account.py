"""One account looked at from the command: no run, no trace in any history."""

from dataclasses import dataclass
from pathlib import Path

from truto_groups.accounts.selection import Unknown
from truto_groups.defs.diagnose_job import find_one
from truto_groups.defs.resources import GroupsDatabase, TrutoResource, open_session
from truto_groups.report.diagnosis import Diagnosis
from truto_groups.sync.debug_answer import diagnose


@dataclass(frozen=True)
class DiagnosisReport:
    """What became of a request.

    Attributes:
        diagnosis: What was seen; None where nobody is called so.
        unknown: What was named and is nobody's.
    """

    diagnosis: Diagnosis | None = None
    unknown: Unknown | None = None


def look_at_account(name: str, *, out: Path | None = None) -> DiagnosisReport:
    """Look at one page of the account that a person names.

    Args:
        name: As the person names it.
        out: Where what is seen will be written; None: nowhere.

    Raises:
        ExportError: That would replace the database.
        SettingsError: A variable or the settings file is wrong, or the token is missing.
        DatabaseError: The database cannot be read.
    """
    session = open_session(TrutoResource(), GroupsDatabase())
    if out is not None:
        session.database.guard(out, what="The diagnosis")
    session.find_client()  # without a token nothing can be asked: say so first
    account, unknown = find_one(session.database, name)
    if account is None:
        return DiagnosisReport(unknown=unknown)
    return DiagnosisReport(diagnose(session, account))
