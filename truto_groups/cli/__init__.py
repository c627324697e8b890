"""The command ``truto-groups``: parse, call, print.

What is done is runner/'s, what is told of it report/'s and accounts/'. A command that does not need
Dagster does not import it, because that alone takes two seconds.

    commands         what can be typed: commands, options, help
    sync_command     refresh accounts now
    status_command   every known account
    probe_command    whether a process could work
    plan_command     what the coming day costs, and what other settings would alter
    accept_command   accept drift and held-back syncs
    diagnose_command  one account's answer beside what we make of it
    forget_command   remove all that is kept of accounts
    review_command   mark what became privileged as reviewed
    export_command   a table into a file, with what is said of it
    copy_command     all tables into another database
    sandbox_command  the Truto double, alone or for a command
    demo             what ``make demo`` does and says
    demo_tables      what it shows of the tables
    ui_ready         what ``make ui`` says once the UI answers
    progress_bar     how far a sync has come
    terminal         the only way out: sentences, tables, what is drawn anew
"""

import atexit
import gc
import sys
import traceback
from collections.abc import Sequence

import click

from truto_groups.cli.commands import commands
from truto_groups.cli.terminal import complain, leave_stdout, write_anything
from truto_groups.errors import SettingsError, TrutoGroupsError
from truto_groups.text.secrecy import redact

_NAME = "truto-groups"
_INTERRUPTED = 130
_SHOWN_OF_AN_ERROR = 500
_UNEXPECTED = 1
_NOTHING_DONE = 2
_OBJECTS_BETWEEN_SEARCHES = 50_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    _seldom_search_for_garbage()
    write_anything()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # What click's own main adds, an empty line at Ctrl-C for one, is told here in our words.
        with commands.make_context(_NAME, given) as context:
            return commands.invoke(context)
    except click.exceptions.Exit as ended:  # after --help and --version
        return ended.exit_code
    except click.UsageError as error:
        error.show()
        return error.exit_code
    except TrutoGroupsError as error:
        complain(f"{_NAME}: {_describe(error)}")
        return _NOTHING_DONE
    except KeyboardInterrupt:
        complain("Interrupted. What was done stays; the same command goes on with the rest.")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough.
        leave_stdout()
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - told, with all that is needed to report it
        # A mail from cron should hold a sentence; a traceback is for who asks for it.
        if "--verbose" in given:
            complain(redact(traceback.format_exc().rstrip()))
        complain(f"{_NAME}: {_describe_unexpected(error)}")
        return _UNEXPECTED


def _seldom_search_for_garbage() -> None:
    """Search after more new objects than Python does by itself, and not once more at the end.

    A command imports and makes much that stays until its end, and hardly anything that only a
    search frees. With Python's own thresholds the searches take a sync 0.6 s, of which 0.2 are
    its imports; the one at the end, of what goes with the process anyway, takes 0.7.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_SEARCHES, 20, 50)
    atexit.register(gc.freeze)


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
