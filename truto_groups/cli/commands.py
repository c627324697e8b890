"""What can be typed: the commands, their options and their help; nothing else.

What is slow to import (Dagster, DuckDB, the settings) is imported by the command that needs it,
when it runs, so that help and mistakes are told at once.
"""

import logging
import os
import signal
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from truto_groups.accounts.selection import AccountFilter
from truto_groups.cli.terminal import Complaints
from truto_groups.errors import SettingsError
from truto_groups.text.instants import read_instant
from truto_groups.text.visible import is_utf_8

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_EPILOG = """\
\b
Variables (a .env file in the project says what is not set):
  TRUTO_API_TOKEN           the bearer token of your Truto environment
  TRUTO_BASE_URL            https://api.truto.one
  TRUTO_GROUPS_DATABASE     data/truto_groups.duckdb in the project; or md:…, ducklake:…
  TRUTO_GROUPS_DATA_PATH    where a ducklake:… keeps its files; or s3://…, with the AWS variables
  TRUTO_GROUPS_SETTINGS     truto_groups.yaml in the project, which may be absent
  DAGSTER_HOME              .dagster in the project

The project is the nearest folder upward that holds workspace.yaml.
"""
_SYNC_EPILOG = """\
\b
Exit codes:
  0  all were published or unchanged, or nothing is due
  1  some account failed, was held back or cannot be synced; each is named with the reason
  2  nothing could be done (token, settings, database, listing), with the reason
"""
_FORGET_EPILOG = """\
\b
Exit codes:
  0  nothing of them was found afterwards
  1  refused (unknown, in flight, or still listed without --yes), or something was found; each named
  2  nothing could be done (settings, database), with the reason
"""
_COPY_EPILOG = """\
\b
Exit codes:
  0  both sides hold the same rows
  1  a run is at work; nothing was changed
  2  nothing could be done (settings, database), or the target holds other rows, with the reason
"""
_EXPORT_EPILOG = """\
\b
Exit codes:
  0  written; every active account is complete and fresh, or --allow-incomplete was given
  1  a name is nobody's
  2  nothing could be done (settings, database, the file), with the reason
  3  an active account is missing or stale; nothing was written

\b
Examples:
  truto-groups export --format parquet --out groups.parquet
  truto-groups export --format csv --tenant acme > groups.csv
  truto-groups export --format json --as-of 2026-11-01 --out groups.json
"""
_EXPORTED = (
    "groups",
    "raw_groups",
    "group_type_breakdown",
    "group_changes",
    "privileged_group_changes",
    "integrated_accounts",
    "account_syncs",
    "account_drift",
    "held_back_groups",
    "accepted_baselines",
)
_EXPORTED_AS_OF = ("groups", "group_type_breakdown")
SANDBOX_PORT = 8790

Command = TypeVar("Command", bound=Callable[..., Any])


class NamingCommand(click.Command):
    """A command whose repeatable options take several values: ``--account A B``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with ``--account A B`` as ``--account A --account B``."""
        return super().parse_args(ctx, _repeat_options(args, self.params))


def _repeat_options(args: Sequence[str], parameters: Sequence[click.Parameter]) -> list[str]:
    repeatable = {
        name
        for parameter in parameters
        if isinstance(parameter, click.Option) and parameter.multiple
        for name in parameter.opts
    }
    repeated: list[str] = []
    option, has_value = "", False
    for arg in args:
        if arg.startswith("-"):
            option, has_value = arg.partition("=")[0], "=" in arg
        elif has_value and option in repeatable:
            repeated.append(option)
        else:
            has_value = True
        repeated.append(arg)
    return repeated


def _name_accounts(command: Command) -> Command:
    return click.option(
        "--account",
        "names",
        metavar="KEY",
        multiple=True,
        help="Only these integrated accounts, by key or id; a beginning of either does.",
    )(command)


def _filter_accounts(command: Command) -> Command:
    text = "Only in these states: failed, held_back, stale, fresh …"
    command = click.option("--state", "states", metavar="STATE", multiple=True, help=text)(command)
    return _choose_accounts(command)


def _choose_accounts(command: Command) -> Command:
    for option, name, metavar, text in (
        ("--integration", "integrations", "SLUG", "Only of these integrations."),
        ("--tenant", "tenants", "ID", "Only of these tenants."),
    ):
        command = click.option(option, name, metavar=metavar, multiple=True, help=text)(command)
    return _name_accounts(command)


def _be_verbose(command: Command) -> Command:
    return click.option("--verbose", "is_verbose", is_flag=True, help="Show Dagster's log too.")(
        command
    )


def _read_port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 16:
        raise click.BadParameter(f"{text} is no port; one is a number from 1 to 65535")
    return int(text)


def _read_words(text: str) -> str:
    """What a person wrote, to be kept."""
    if not is_utf_8(text):
        raise click.BadParameter("it holds bytes that are not UTF-8")
    return text.strip()


def _sign(why: str, *, who: str = "Who", is_required: bool = False) -> Callable[[Command], Command]:
    """Ask why something is done, in these words, and who does it."""

    def add_options(command: Command) -> Command:
        who_by = f"{who}; default: the system's user."
        by = click.option("--by", metavar="NAME", type=_read_words, default="", help=who_by)
        of_all: dict[str, Any] = {"required": True} if is_required else {"default": ""}
        reason = click.option("--reason", metavar="TEXT", type=_read_words, help=why, **of_all)
        return reason(by(command))

    return add_options


@click.group(epilog=_EPILOG, context_settings=_SETTINGS)
@click.version_option(package_name="truto-groups", message="%(prog)s %(version)s")
def commands() -> None:
    """Every group of every connected app, through Truto, in one DuckDB table, refreshed by Dagster.

    No Truto account at hand? `truto-groups sandbox` serves a double of Truto to try it on.
    """


@commands.command(
    cls=NamingCommand,
    epilog=_SYNC_EPILOG,
    short_help="Refresh what is due, or the named accounts, or all.",
)
@_filter_accounts
@click.option("--all", "is_all", is_flag=True, help="All accounts, due or not.")
@_be_verbose
def sync(*, is_all: bool, is_verbose: bool, **wanted: Sequence[str]) -> int:
    """List the accounts, then refresh what is due.

    With --account, --tenant, --integration or --state only those, due or not; with --all every
    account. Each option takes several values; of several options, an account must be all. It runs
    through the same Dagster job and into the same history as the daemon, but in this process: for
    cron and scripts.
    """
    if is_all and wanted["names"]:
        raise click.UsageError("--all is not allowed with --account.")
    _take_variables()
    # Ended by cron or a container it should leave as little behind as ended by hand.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    logging.basicConfig(format="%(levelname)s: %(message)s", handlers=[Complaints()])
    from truto_groups.cli.sync_command import run_sync
    from truto_groups.runner.sync_report import SyncRequest

    return run_sync(SyncRequest(AccountFilter(**wanted), is_all), is_verbose=is_verbose)


@commands.command(cls=NamingCommand, short_help="How every known account stands, and what to do.")
@_filter_accounts
@click.option("--json", "is_json", is_flag=True, help="A list of objects, for programs.")
@click.option("--watch", "is_watched", is_flag=True, help="Again every few seconds, until Ctrl-C.")
@click.option("--ready", "is_probe", is_flag=True, help="Could this process work? For probes.")
def status(*, is_json: bool, is_watched: bool, is_probe: bool, **wanted: Sequence[str]) -> int:
    """Show how every known account stands, and what to do.

    Reads the database only: no token, no request.

    With --ready it says in one line whether a process with these variables could work now: exit 0
    when settings and token are there, the database can be read, and discovery listed the accounts
    within the last hour; else 1.
    """
    if is_json and is_watched:
        raise click.UsageError("--watch is not allowed with --json.")
    if is_probe and (is_json or is_watched or any(wanted.values())):
        raise click.UsageError("--ready stands alone.")
    _take_variables()
    if is_probe:
        from truto_groups.cli.probe_command import run_probe

        return run_probe()
    from truto_groups.cli.status_command import run_status, watch_status

    if is_watched:
        return watch_status(AccountFilter(**wanted))
    return run_status(AccountFilter(**wanted), is_json=is_json)


@commands.command(short_help="What the coming day asks of Truto, and what other settings alter.")
@click.option(
    "--settings",
    "settings_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A changed settings file: what it would alter.",
)
@click.option("--json", "is_json", is_flag=True, help="An object, for programs.")
def plan(*, settings_path: Path | None, is_json: bool) -> int:
    """Show what is due within 24 hours: accounts, syncs, requests, and how long they take.

    Requests are those of each account's last confirmed sync. Reads the database only: no token, no
    request. Exit 0: shown; 1: the changed settings are wrong for an account that is known; 2:
    nothing could be done (settings, database), with the reason.
    """
    _take_variables()
    from truto_groups.cli.plan_command import run_plan

    return run_plan(settings_path, is_json=is_json)


@commands.command(
    cls=NamingCommand,
    short_help="Accept what accounts send now: drift, or a sync that was held back.",
)
@_name_accounts
@click.option(
    "--integration",
    "integrations",
    metavar="SLUG",
    multiple=True,
    help="All waiting accounts of these integrations.",
)
@_sign("Why; without it nothing is accepted.")
@click.option(
    "--digest", default="", help="Of what was shown; refused when accounts have moved on."
)
@_be_verbose
def accept(
    *,
    names: Sequence[str],
    integrations: Sequence[str],
    reason: str,
    by: str,
    digest: str,
    is_verbose: bool,
) -> int:
    """Show what accepting would add, remove and change, and with --reason accept it.

    What the accounts sent last becomes their baseline, and a sync that was held back is published
    from its kept records, without fetching. Needs no token. Exit 0: shown or accepted; 1: refused;
    2: nothing could be done.
    """
    _take_variables()
    from truto_groups.cli.accept_command import Wanted, run_accept

    wanted = Wanted(names, integrations, reason, by, digest.strip())
    return run_accept(wanted, is_verbose=is_verbose)


@commands.command(short_help="One account's answer beside what we make of it.")
@click.argument("account")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where it goes, as Markdown; default: the output.",
)
def diagnose(*, account: str, out: Path | None) -> int:
    """Ask for one page of ACCOUNT in Truto's debug format, and show what we make of it.

    The request, limits, the vendor's answer, each group's way from record to row, the last
    attempts, drift and the settings in force; credentials are left out. Writes to no table. Exit 0:
    the page is well formed; 1: it is not, or there is no such account; 2: nothing could be done
    (token, settings, database).
    """
    _take_variables()
    from truto_groups.cli.diagnose_command import run_diagnose

    return run_diagnose(account, out=out)


@commands.command(
    cls=NamingCommand,
    epilog=_FORGET_EPILOG,
    short_help="Remove all that is kept of accounts, with a certificate.",
)
@_name_accounts
@click.option(
    "--tenant", "tenants", metavar="ID", multiple=True, help="All accounts of these tenants."
)
@_sign("Why; stands in the certificate.", who="Who wants it", is_required=True)
@click.option("--yes", "is_confirmed", is_flag=True, help="Also accounts that Truto still lists.")
@click.option(
    "--certificate",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the certificate goes, as Markdown or (.json) JSON; default: the output.",
)
def forget(
    *,
    names: Sequence[str],
    tenants: Sequence[str],
    reason: str,
    by: str,
    is_confirmed: bool,
    certificate: Path | None,
) -> int:
    """Remove all that is kept of accounts, search for what is left, and certify it.

    Their rows in every table, Dagster's events, logs and verdicts about them, and the free blocks
    of the database. What Truto holds is not touched. Needs no token. Killed at any moment, the same
    command goes on with it.
    """
    if bool(names) == bool(tenants):
        raise click.UsageError("Name accounts with --account, or tenants with --tenant.")
    if not reason:
        raise click.BadParameter("it must say why", param_hint="--reason")
    if certificate is not None and not certificate.absolute().parent.is_dir():
        raise click.BadParameter("its folder does not exist", param_hint="--certificate")
    _take_variables()
    from truto_groups.cli.forget_command import run_forget
    from truto_groups.runner.forget_plan import ForgetRequest

    return run_forget(ForgetRequest(names, tenants, reason, by, is_confirmed, certificate))


def _read_instant(text: str) -> datetime:
    try:
        return read_instant(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@commands.command(
    cls=NamingCommand,
    short_help="Groups that became privileged: show them, and mark them as reviewed.",
)
@_choose_accounts
@click.option(
    "--until",
    metavar="INSTANT",
    type=_read_instant,
    help="The newest change that was looked at; what came later goes on waiting.",
)
@_sign("Why it is right; without it nothing is marked.")
@_be_verbose
def review(
    *,
    until: datetime | None,
    reason: str,
    by: str,
    is_verbose: bool,
    **accounts: Sequence[str],
) -> int:
    """Show groups that were created as, renamed into or retyped to what is called privileged.

    With --reason they are marked as reviewed, and the check privileged_changes_are_reviewed turns
    green. Each option takes several values; of several options, an account must be all. Needs no
    token. Exit 0: shown or marked; 1: refused; 2: nothing could be done.
    """
    _take_variables()
    from truto_groups.cli.review_command import ReviewWanted, run_review

    wanted = ReviewWanted(AccountFilter(**accounts), until, reason, by)
    return run_review(wanted, is_verbose=is_verbose)


@commands.command(
    cls=NamingCommand,
    epilog=_EXPORT_EPILOG,
    short_help="Write a table to a file, with what is complete and fresh in it.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv", "json"], case_sensitive=False),
    help="As what; default: what the name of the file ends with.",
)
@click.option(
    "--table",
    type=click.Choice(_EXPORTED),
    metavar="NAME",
    default=_EXPORTED[0],
    help="Which; default: groups. Also raw_groups, group_changes, account_drift …",
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to; default: stdout. FILE.coverage.json is written beside it.",
)
@click.option(
    "--as-of",
    metavar="INSTANT",
    type=_read_instant,
    help="The groups, or their breakdown, as they were: 2026-11-01 or 2026-11-01T08:30:00Z.",
)
@_choose_accounts
@click.option(
    "--allow-incomplete",
    "is_incomplete_allowed",
    is_flag=True,
    help="Write also when an active account is missing or stale.",
)
def export(
    *,
    form: str | None,
    table: str,
    out: Path | None,
    as_of: datetime | None,
    is_incomplete_allowed: bool,
    **wanted: Sequence[str],
) -> int:
    """Write a table to a file, after saying how much of what should be in it is in it.

    The coverage statement goes to stderr, into the metadata of a Parquet file and beside the file.
    Where an active account is missing or stale, nothing is written without --allow-incomplete. A
    file is written whole or not at all. Reads the database only: no token, no request.
    """
    if as_of is not None and table not in _EXPORTED_AS_OF:
        raise click.UsageError(f"--as-of is for the tables {' and '.join(_EXPORTED_AS_OF)} alone.")
    _take_variables()
    # Ended by cron or a container it should leave as little behind as ended by hand.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    from truto_groups.cli.export_command import run_export
    from truto_groups.runner.export_table import ExportRequest

    return run_export(
        ExportRequest(table, AccountFilter(**wanted), as_of),
        form=form,
        out=out,
        is_incomplete_allowed=is_incomplete_allowed,
    )


@commands.command(
    short_help="Copy all tables into another database.",
    epilog=_COPY_EPILOG,
)
@click.option(
    "--to",
    metavar="LOCATION",
    required=True,
    help="Where to, as TRUTO_GROUPS_DATABASE would say: a file or ducklake:….",
)
@click.option(
    "--data-path",
    metavar="PATH",
    default="",
    help="Where a ducklake:… keeps its files, as TRUTO_GROUPS_DATA_PATH would say.",
)
def copy(*, to: str, data_path: str) -> int:
    """Copy all tables into another database: from a file to a lake, or back.

    Ended at any moment, the same command goes on with the next table. It is done when both sides
    have the same rows in every table; nothing of the source is changed. A target that holds other
    rows is refused. Needs no token.
    """
    _take_variables()
    from truto_groups.cli.copy_command import run_copy

    return run_copy(to, data_path)


@commands.command(
    context_settings={"allow_interspersed_args": False},
    short_help="Serve a double of Truto to try everything on.",
)
@click.option(
    "--port",
    metavar="N",
    type=_read_port,
    default=str(SANDBOX_PORT),
    help=f"Where to serve it; default: {SANDBOX_PORT}.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND …]")
def sandbox(*, port: int, command: Sequence[str]) -> int:
    """Serve a double of Truto on this machine, with sample accounts, and print what to set.

    Given a command, run it with these variables set, and end with it and with its exit code. Tables
    and Dagster history are the sandbox's own, by port, so that a restart goes on.
    """
    from truto_groups.cli.sandbox_command import run_sandbox

    return run_sandbox(port=port, command=command)


def _take_variables() -> None:
    """Add to the environment what the project's ``.env`` says."""
    from truto_groups.settings.dotenv import read_variables

    try:
        cwd = Path.cwd()
    except OSError:
        raise SettingsError(
            "The folder that this was started in is not there any more.",
            advice="Change to another folder, as a rule the project's.",
        ) from None
    os.environ.update(read_variables(os.environ, cwd=cwd))
