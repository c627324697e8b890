"""The demo: replay a week of the sandbox through Dagster and show what that gives.

``make demo`` runs it inside of ``truto-groups sandbox``, which sets the variables; it shows and
says, and what it shows is made by the same code as everywhere. With ``--week-only`` it replays what
is left of the week and shows no tables, which is what ``make ui`` wants.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from truto_groups import read
from truto_groups.cli.commands import SANDBOX_PORT
from truto_groups.cli.demo_tables import show_tables, show_verdicts
from truto_groups.cli.progress_bar import ProgressBar
from truto_groups.cli.sync_command import describe_census, describe_troubles, summarize
from truto_groups.cli.terminal import complain, say, say_as_typed, write_anything
from truto_groups.errors import TrutoGroupsError
from truto_groups.report.run_progress import say_outcomes
from truto_groups.runner.sandbox_week import (
    ACCEPTED_BY,
    PlayedDay,
    SandboxDay,
    WeekListener,
    replay,
)
from truto_groups.runner.sync_report import Census
from truto_groups.text.words import say_count

_INTERRUPTED = 130
_UNPUBLISHED = """
    FROM integrated_accounts
    SELECT count(*)
    WHERE status = 'active' AND supports_groups IS NOT FALSE AND gone_at IS NULL
        AND last_confirmed_at IS NULL
"""


def main(arguments: Sequence[str] = ()) -> int:
    """Replay, show; 0 when every active account was published."""
    write_anything()
    is_week_only = "--week-only" in arguments
    try:
        last = _replay(is_week_only=is_week_only)
        if last is None or is_week_only:
            return 0
        return _show_all(last)
    except KeyboardInterrupt:
        complain("Interrupted. `make demo` goes on with the day after.")
        return _INTERRUPTED
    except TrutoGroupsError as error:
        complain(f"The demo could not be run. {error}")
        return 2


def _replay(*, is_week_only: bool) -> PlayedDay | None:
    with ProgressBar() as bar:

        def tell_day(day: PlayedDay) -> None:
            bar.pause()
            say(describe_day(day))

        listener = WeekListener(begun=_tell_begin, progressed=bar.show, played=tell_day)
        return replay(is_week_only=is_week_only, listener=listener, cwd=Path.cwd())


def _show_all(last: PlayedDay) -> int:
    report = last.report
    _tell_listing(last.census)
    say(summarize(report))
    with read.connect() as connection:
        (missing,) = connection.execute(_UNPUBLISHED).fetchone() or (0,)
        show_tables(connection, report)
    show_verdicts(report)
    for text in describe_troubles(report):
        complain(text)
    if missing:
        complain(
            f"{say_count(missing, 'active account')} not published yet. Is `make ui` just syncing? "
            "Run the demo again in a moment."
        )
    code = report.exit_code or int(missing > 0)
    if code == 0:
        _tell_next(last.sandbox)
    return code


def describe_day(played: PlayedDay) -> str:
    """Say in a line what happened on a day, and what came of it."""
    happened = list(played.sandbox.happened)
    if not happened and any(one.is_first for one in played.report.outcomes):
        happened = ["all apps are synced for the first time"]
    told = [f"{_begin_large('; '.join(happened))}."] if happened else []
    told += [
        f"{_begin_large(ACCEPTED_BY)} accepts what was held back of {one.partition_key}."
        for one in played.accepted
    ]
    told.append(f"{say_outcomes(one.outcome for one in played.report.outcomes)}.")
    held_back = [one.partition_key for one in played.report.outcomes if one.outcome == "held_back"]
    told += [f"Held back: {', '.join(held_back)}."] if held_back else []
    return f"{played.at:%a %d %b}: {' '.join(told)}"


def _begin_large(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tell_begin(day_count: int) -> None:
    what = "the sandbox's week" if day_count > 1 else "a day of the sandbox"
    days = f": {say_count(day_count, 'day')} that end now" if day_count > 1 else ""
    say(f"Replaying {what}{days}, synced through Dagster …")


def _tell_listing(census: Census) -> None:
    integrations = len({account.integration for account in census.found.accounts})
    say(
        f"The sandbox lists {say_count(census.found.listed_count, 'connected app')} of "
        f"{say_count(integrations, 'integration')}: {describe_census(census)}."
    )


def _tell_next(sandbox: SandboxDay) -> None:
    database = _say_path(Path(os.environ["TRUTO_GROUPS_DATABASE"]))
    home = _say_path(Path(os.environ["DAGSTER_HOME"]))
    programs = _say_path(Path(sys.executable).parent)
    port = urlsplit(os.environ["TRUTO_BASE_URL"]).port
    is_default = port == SANDBOX_PORT
    with_port, on_port = ("", "") if is_default else (f" PORT={port}", f" --port {port}")
    anew = f"\n                      rm -r {home} {database}*"
    if not sandbox.day:
        again = f"these tables were filled before the week began; it begins after{anew}"
    elif sandbox.day < sandbox.last_day:
        again = "another day passes in the sandbox: see what changes"
    else:
        again = f"nothing more happens in the sandbox; it begins anew after{anew}"
    say_as_typed(
        f"\nThe tables are in {database}. In pandas:\n\n"
        f"  TRUTO_GROUPS_DATABASE={database} {programs}/python -c \\\n"
        "    'from truto_groups import read; print(read.groups())'\n"
        "\nWhat next\n\n"
        f"  make ui{with_port}\n"
        "                      this week in Dagster: group_overview first, then the checks\n"
        f"  {programs}/truto-groups sandbox{on_port} -- {programs}/truto-groups status\n"
        "                      which account needs you, and what to do\n"
        f"  make demo{with_port}\n"
        f"                      {again}\n"
        f"  TRUTO_API_TOKEN=… {programs}/truto-groups sync\n"
        "                      the groups of your own connected apps, in data/truto_groups.duckdb\n"
        "  TRUTO_API_TOKEN=… make ui\n"
        "                      the same, kept fresh"
    )


def _say_path(path: Path) -> str:
    """A path as one would type it here."""
    cwd = Path.cwd()
    return shlex.quote(str(path.relative_to(cwd) if path.is_relative_to(cwd) else path))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
