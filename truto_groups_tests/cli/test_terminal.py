"""What the command writes: into pipes plainly, into a real pseudo-terminal as wide as that is."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from truto_groups.cli.terminal import Styled, complain, say, show_table, write_anything
from truto_groups_tests.cli.pseudo_terminal import ROOT, Terminal
from truto_groups_tests.stand import A, B, Stand, groups_of, open_stand

ESCAPE = "\x1b["
MARKUP = "[red]not red[/red] [link=http://evil]x[/link] :boom:"


@pytest.fixture(name="origin", scope="module")
def provide_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with open_stand(tmp_path_factory.mktemp("origin")) as stand:
        stand.put(A, groups_of(3), integration="okta", tenant_id="acme")
        label = {"label": f"{MARKUP}\x1b[2J"}
        stand.put(B, groups_of(2), integration="jira", context=label, status="broken")
        stand.now = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
        stand.discover()
        stand.sync(A)
        yield stand


@pytest.fixture(name="known")
def provide_known(stand: Stand, origin: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """An account that is stale, and one whose label has markup and escape sequences."""
    for account in origin.server.accounts:
        stand.server.put_account(account)
    stand.go_on_from(origin)
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)
    return stand


def run(known: Stand, *arguments: str, **options: str) -> str:
    columns = int(options.pop("columns", "80"))
    terminal = Terminal(*arguments, cwd=known.folder, columns=columns, environ=options)
    assert terminal.end() == 0
    return terminal.written


def test_wide_and_combining_letters_keep_a_table_aligned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [("技术部", 1), ("e\u0301quipe", 2000)]
    show_table(rows, header=("name", "n"), right=(1,), indent=1)

    assert capsys.readouterr().out.splitlines() == [
        " name        n",
        " ──────  ─────",
        " 技术部      1",
        " e\u0301quipe  2,000",
    ]


def test_a_table_shows_no_escape_sequence_and_each_row_stays_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_table([("a\x1b[2Jb", "x\ny"), (None, Styled("z", "red"))])

    assert capsys.readouterr().out == "a\\x1b[2Jb  x y\n—          z\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_stream_that_lacks_a_letter_gets_it_escaped(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))

    write_anything()
    say("技术 ─ \ud83d")

    told = raw.getvalue().decode(encoding)
    assert told.endswith("\\ud83d\n")
    assert ("技术" in told) == (encoding == "utf-8")


def test_without_streams_nothing_is_said_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    write_anything()
    say("nobody hears it")
    complain("nor that")


@pytest.mark.long
@pytest.mark.parametrize("columns", [60, 100], ids=lambda columns: f"{columns} columns")
def test_in_a_terminal_nothing_is_wider_than_it_no_word_is_lost_and_no_colour_is_unwanted(
    known: Stand, columns: int
) -> None:
    shown = run(known, "status", columns=str(columns), NO_COLOR="1")

    assert max(map(len, shown.splitlines())) <= columns
    told = " ".join(shown.split())
    assert "[red]not red[/red] [link=http://evil]x[/link] :boom:\\x1b[2J" in told
    assert "have the tenant reconnect the app" in told
    # What to do about an account stands below its name.
    assert re.search(r"\n  acme\.okta\.aaaaaaaa: Look", shown)
    assert ESCAPE not in shown


@pytest.mark.long
def test_colour_is_for_terminals_alone_and_is_none_that_somebody_else_wrote(known: Stand) -> None:
    shown = run(known, "status", columns="200")
    assert ESCAPE in shown
    # Markup of somebody else is shown as it stands.
    assert f"({MARKUP}\\x1b[2J)" in shown
    assert "\x1b[2J" not in shown
    assert ESCAPE not in run(known, "status", TERM="dumb")
    piped = subprocess.run(
        [sys.executable, "-m", "truto_groups.cli", "status"],
        cwd=known.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "FORCE_COLOR": "1", "COLUMNS": "40"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ESCAPE not in piped.stdout
    (line,) = [line for line in piped.stdout.splitlines() if "okta" in line and "(stale)" in line]
    assert line.split() == [
        "acme.okta.aaaaaaaa",
        "okta",
        "acme",
        "active",
        "3",
        "2",
        "d",
        "ago",
        "(stale)",
        "published",
    ]


@pytest.mark.long
@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "a reader that leaves"])
def test_a_reader_that_is_not_there_ends_it_quietly(
    known: Stand, is_closed: bool, tmp_path: Path
) -> None:
    command = f"{sys.executable} -m truto_groups.cli status"
    ended = subprocess.run(
        ["sh", "-c", f"{command} >&-" if is_closed else f"({command}; echo $? >&2) | true"],
        cwd=known.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ended.stdout, ended.stderr) == ("", "" if is_closed else "130\n")


HASTY = """
import sys
from truto_groups.cli import main, status_command
status_command._SECONDS_BETWEEN_LOOKS = 0.2
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.long
def test_status_is_watched_in_place_until_ctrl_c(known: Stand) -> None:
    terminal = Terminal("status", "--watch", cwd=known.folder, program=("-c", HASTY))
    terminal.read_until("As of ")
    known.put(A, groups_of(4), integration="okta", tenant_id="acme")
    known.now = datetime.now(UTC)
    known.sync(A)
    terminal.read_until("2 accounts, 4 groups; ")
    terminal.interrupt()

    assert terminal.end() == 130
    assert "2 accounts, 3 groups; 1 stale" in terminal.written
    assert "\x1b[1A" in terminal.written  # the cursor goes up to where it began
    assert terminal.written.rstrip().endswith("goes on with it.")


@pytest.mark.long
def test_what_does_not_fit_while_it_is_watched_is_told(known: Stand) -> None:
    terminal = Terminal("status", "--watch", cwd=known.folder, lines=8)
    terminal.read_until("lines more than fit here.")
    terminal.interrupt()
    assert terminal.end() == 130


@pytest.mark.long
def test_into_a_pipe_status_is_watched_block_by_block(known: Stand) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HASTY, "status", "--watch"],
        cwd=known.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        blocks = 0
        while blocks < 2:
            line = process.stdout.readline()
            assert line
            assert ESCAPE not in line
            blocks += line.startswith("2 accounts, 3 groups; ")
        process.kill()
