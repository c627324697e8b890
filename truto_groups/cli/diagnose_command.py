"""``truto-groups diagnose``: one account's answer beside what we make of it."""

from pathlib import Path

from truto_groups.cli.terminal import complain, say, say_as_typed
from truto_groups.errors import ExportError
from truto_groups.report.diagnosis import write_diagnosis
from truto_groups.runner.diagnose_account import look_at_account
from truto_groups.text.visible import show

_FINE, _REFUSED, _NOTHING_DONE = 0, 1, 2


def run_diagnose(name: str, *, out: Path | None) -> int:
    """Print what is seen of an account, or write it to a file; returns the exit code."""
    report = look_at_account(name, out=out)
    found = report.diagnosis
    if found is None:
        one = report.unknown
        complain(f"truto-groups: {show(name)}: {one.what}; {one.hint}" if one else show(name))
        return _REFUSED
    text = write_diagnosis(found)
    if out is None:
        say_as_typed(text)
    else:
        _write(text, out)
        say(f"The diagnosis is {show(str(out))}.")
    if found.problem:
        complain(f"truto-groups: {found.problem}")
        return _NOTHING_DONE if found.is_of_token else _REFUSED
    return _FINE


def _write(text: str, out: Path) -> None:
    try:
        out.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise ExportError(
            f"The diagnosis cannot be written to {show(str(out))}: {error.strerror or error}.",
            advice="Name a file with --out in a folder that this user may write, or leave it out.",
        ) from error
