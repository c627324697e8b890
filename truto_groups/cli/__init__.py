"""The command ``truto-groups``: parse, call, print.

A command that does not need Dagster does not import it, because that alone takes two seconds.

    sync_command     refresh accounts now
    status_command   every known account
    accept_command   accept drift and held-back syncs
    sandbox_command  the Truto double, alone or for a command
    demo             what ``make demo`` shows
    terminal         tables and paragraphs for a terminal
"""

import argparse
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from truto_groups.cli.terminal import complain, write_anything
from truto_groups.errors import SettingsError, TrutoGroupsError
from truto_groups.sandbox.server import DEFAULT_PORT
from truto_groups.settings.dotenv import read_variables
from truto_groups.text.secrecy import redact
from truto_groups.version import read_version

_INTERRUPTED = 130
_SHOWN_OF_AN_ERROR = 500
_UNEXPECTED = 1
_NOTHING_DONE = 2

_DESCRIPTION = """\
Every group of every connected app, through Truto, in one DuckDB table, refreshed by Dagster.

No Truto account at hand? `truto-groups sandbox` serves a double of Truto to try it on.
"""
_EPILOG = """\
variables (a .env file in the project says what is not set):
  TRUTO_API_TOKEN           the bearer token of your Truto environment
  TRUTO_BASE_URL            https://api.truto.one
  TRUTO_GROUPS_DATABASE     data/truto_groups.duckdb in the project; or md:…, ducklake:…
  TRUTO_GROUPS_SETTINGS     truto_groups.yaml in the project, which may be absent
  DAGSTER_HOME              .dagster in the project

The project is the nearest folder upward that holds workspace.yaml.
"""
_SYNC = """\
Lists the accounts, then refreshes what is due (or the named accounts, or all) through the same
Dagster job and into the same history as the daemon, but in this process: for cron and scripts.
"""
_SYNC_CODES = """\
exit codes:
  0  all were published or unchanged, or nothing is due
  1  some account failed, was held back or cannot be synced; each is named with the reason
  2  nothing could be done (token, settings, database, listing), with the reason
"""
_ACCEPT = """\
Shows what accepting would add, remove and change, and with --reason accepts it: what the accounts
sent last becomes their baseline, and a sync that was held back is published from its kept records,
without fetching. Needs no token. Exit 0: shown or accepted; 1: refused; 2: nothing could be done.
"""
_SANDBOX = """\
Serves a double of Truto on this machine, with sample accounts, and prints the variables to set.
Given a command, runs it with these variables set, and ends with it and with its exit code.
Tables and Dagster history are the sandbox's own, by port, so that a restart goes on.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    write_anything()
    options = _make_parser().parse_args(arguments)
    try:
        return options.run(options)
    except TrutoGroupsError as error:
        complain(f"truto-groups: {_describe(error)}")
        return _NOTHING_DONE
    except KeyboardInterrupt:
        complain("Interrupted. What was published stays; the rest is tried the next time.")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - told, with all that is needed to report it
        # A mail from cron should hold a sentence; a traceback is for who asks for it.
        if getattr(options, "verbose", False):
            complain(redact(traceback.format_exc().rstrip()))
        complain(f"truto-groups: {_describe_unexpected(error)}")
        return _UNEXPECTED


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="truto-groups",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {read_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    sync = commands.add_parser(
        "sync",
        help="refresh what is due, or the named accounts, or all",
        description=_SYNC,
        epilog=_SYNC_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _describe_sync(sync)
    status = commands.add_parser(
        "status",
        help="how every known account stands, and what to do",
        description="Shows every known account. Reads the database only: no token, no request.",
    )
    status.add_argument("--json", action="store_true", help="a list of objects, for programs")
    status.set_defaults(run=_status)
    accept = commands.add_parser(
        "accept",
        help="accept what accounts send now: drift, or a sync that was held back",
        description=_ACCEPT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _describe_accept(accept)
    sandbox = commands.add_parser(
        "sandbox",
        help="serve a double of Truto to try everything on",
        description=_SANDBOX,
        usage="truto-groups sandbox [-h] [--port N] [-- command ...]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _describe_sandbox(sandbox)
    return parser


def _describe_sync(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--account",
        metavar="ID",
        action="extend",
        nargs="+",
        default=[],
        help="only these integrated accounts, due or not; the first 8 characters of an id do",
    )
    which.add_argument("--all", action="store_true", help="all accounts, due or not")
    parser.add_argument("--verbose", action="store_true", help="show Dagster's log too")
    parser.set_defaults(run=_sync)


def _describe_accept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--account",
        metavar="ID",
        action="extend",
        nargs="+",
        default=[],
        help="these integrated accounts; the first 8 characters of an id do",
    )
    parser.add_argument(
        "--integration",
        metavar="SLUG",
        action="extend",
        nargs="+",
        default=[],
        help="all waiting accounts of the integration",
    )
    parser.add_argument("--reason", default="", help="why; without it nothing is accepted")
    parser.add_argument("--by", metavar="NAME", default="", help="who; default: the system's user")
    parser.add_argument(
        "--digest", default="", help="of what was shown; refused when accounts have moved on"
    )
    parser.add_argument("--verbose", action="store_true", help="show Dagster's log too")
    parser.set_defaults(run=_accept)


def _describe_sandbox(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", metavar="N", type=_read_port, default=DEFAULT_PORT, help="default: %(default)s"
    )
    parser.add_argument("command", nargs="*", help="run with the variables set; put -- before it")
    parser.set_defaults(run=_sandbox)


def _sync(options: argparse.Namespace) -> int:
    _take_variables()
    # Ended by cron or a container it should leave as little behind as ended by hand.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    logging.basicConfig(format="%(levelname)s: %(message)s")
    from truto_groups.cli.sync_command import run_sync
    from truto_groups.runner.sync_report import SyncRequest

    request = SyncRequest(names=options.account, is_all=options.all)
    return run_sync(request, is_verbose=options.verbose)


def _status(options: argparse.Namespace) -> int:
    _take_variables()
    from truto_groups.cli.status_command import run_status

    return run_status(is_json=options.json)


def _accept(options: argparse.Namespace) -> int:
    _take_variables()
    from truto_groups.cli.accept_command import Wanted, run_accept

    wanted = Wanted(
        integrated_account_ids=options.account,
        integrations=options.integration,
        reason=options.reason,
        accepted_by=options.by,
        digest=options.digest,
    )
    return run_accept(wanted, is_verbose=options.verbose)


def _sandbox(options: argparse.Namespace) -> int:
    from truto_groups.cli.sandbox_command import run_sandbox

    return run_sandbox(port=options.port, command=options.command)


def _take_variables() -> None:
    """Add to the environment what the project's ``.env`` says."""
    try:
        cwd = Path.cwd()
    except OSError:
        raise SettingsError(
            "The folder that this was started in is not there any more.",
            advice="Change to another folder, as a rule the project's.",
        ) from None
    os.environ.update(read_variables(os.environ, cwd=cwd))


def _describe(error: TrutoGroupsError) -> str:
    """A paragraph; of several mistakes in the settings, a line for each."""
    if not isinstance(error, SettingsError) or not error.mistakes:
        return str(error)
    title = error.message.partition(": ")[0]
    return "\n  ".join([f"{title}:", *error.mistakes, *([error.advice] if error.advice else [])])


def _describe_unexpected(error: Exception) -> str:
    """One paragraph for what nobody foresaw; whatever it quotes, no secret is in it."""
    told = " ".join(redact(str(error)).split())[:_SHOWN_OF_AN_ERROR]
    return (
        f"Something unforeseen went wrong ({type(error).__name__}: {told}). What was published "
        "stays. `truto-groups sync --verbose` shows where; please report it."
    )


def _read_port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text} is no port; one is a number from 1 to 65535")
    return int(text)
