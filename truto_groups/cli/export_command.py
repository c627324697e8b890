"""``truto-groups export``: a table into a file, with the coverage statement before it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from truto_groups.accounts.coverage import Coverage
from truto_groups.accounts.names import say_account
from truto_groups.cli.terminal import complain, pour, say
from truto_groups.runner.export_table import Export, ExportRequest, open_export
from truto_groups.text.visible import show, show_in_cell
from truto_groups.text.words import say_count
from truto_groups.warehouse.exports import FORMS, Form

_WRITTEN, _UNKNOWN, _INCOMPLETE = 0, 1, 3


def run_export(
    request: ExportRequest, *, form: str | None, out: Path | None, is_incomplete_allowed: bool
) -> int:
    """Say what is covered, then write; 3 when something is missing that was not allowed to be."""
    form_to_write = _find_form(form, out)
    with open_export(request, cwd=Path.cwd()) as export:
        for one in export.unknown:
            complain(f"truto-groups: {show(one.name)}: {one.what}; {one.hint}")
        if export.unknown:
            return _UNKNOWN
        for line in describe_coverage(export.coverage):
            complain(line)
        if not export.coverage.is_complete and not is_incomplete_allowed:
            complain("Nothing was written; --allow-incomplete writes what there is.")
            return _INCOMPLETE
        _write(export, request.table, form=form_to_write, out=out)
    return _WRITTEN


def describe_coverage(coverage: Coverage) -> Iterator[str]:
    """Say what is covered, a line for all, then one for each account that is missing or old."""
    when = f"At {coverage.as_of:%Y-%m-%d %H:%M:%S} UTC: "
    yield f"{when}{coverage.say()}"
    for missing in coverage.missing:
        account = missing.account
        who = say_account(account.partition_key, account.label)
        since = f"since {missing.since:%Y-%m-%d %H:%M} UTC"
        yield f"  {who}, {since}: {show_in_cell(f'{missing.why} {missing.what_to_do}')}"
    for other in coverage.others:
        account = other.account
        who = say_account(account.partition_key, account.label)
        yield (
            f"  {who} is not counted, and has groups of {account.last_confirmed_at:%Y-%m-%d %H:%M}"
            f" UTC: {show_in_cell(other.why)}"
        )


def _find_form(form: str | None, out: Path | None) -> Form:
    named = form or (out.suffix.removeprefix(".").lower() if out else "")
    found: Form | None = next((one for one in FORMS if one == named), None)
    if found is None:
        raise click.UsageError(f"Say as what: --format {'|'.join(FORMS)}.")
    if out is None and found == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is nothing for a terminal: name a file with --out.")
    return found


def _write(export: Export, table: str, *, form: Form, out: Path | None) -> None:
    if out is None:
        with export.written(form=form) as path:
            pour(path)
        return
    count = export.write_to(out, form=form)
    say(f"Wrote {say_count(count, 'row')} of {table} to {show(str(out))}.")
