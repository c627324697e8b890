"""What a person fills in in a launchpad, looked at before a run is made of it.

The types of the configurations of jobs; a field of dg.Config is looked at once the run executes,
when the job has gone red already. Addresses of launchpads are launchpad_links.py's.
"""

from truto_groups.defs.dagster_internals import CheckedText
from truto_groups.text.instants import read_instant


def _refuse_blank(text: str) -> str | None:
    return None if text.strip() else "It must be filled in."


def _refuse_no_instant(text: str) -> str | None:
    try:
        if text.strip():
            read_instant(text)
    except ValueError as error:
        return str(error)
    return None


# The launchpad says of what is missing: Expected "a reason that is not blank".
REASON = CheckedText("a reason that is not blank", _refuse_blank)
PERSON = CheckedText("a person's name that is not blank", _refuse_blank)
ACCOUNT = CheckedText("an account's key or id", _refuse_blank)
UNTIL = CheckedText("an instant such as '2026-11-01T08:30:00Z', or ''", _refuse_no_instant)
