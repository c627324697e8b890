"""The command's outer face: help, status, and how it fails on bad input.

Databases and settings files are real; what crosses processes runs in a subprocess.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from truto_groups.cli import main
from truto_groups.settings.dotenv import read_variables
from truto_groups_tests.stand import A, B, C, D, Stand, group, groups_of, id_of, open_stand

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]

Read = Callable[[], tuple[str, str]]


@pytest.fixture(name="read_output")
def provide_read_output(capsys: pytest.CaptureFixture[str]) -> Read:
    def read_output() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, captured.err

    return read_output


@pytest.fixture(name="origin", scope="module")
def provide_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with open_stand(tmp_path_factory.mktemp("origin")) as stand:
        stand.put(A, groups_of(3), context={"label": "Okta EU"})
        stand.put(B, groups_of(2), integration="slack", status="needs_reauth")
        stand.put(C, [], integration="zendesk", tenant_id="globex")
        stand.put(D, [{"name": "no id"}], integration="jira", tenant_id="globex")
        stand.now = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
        stand.discover()
        stand.sync(A, D)
        yield stand


@pytest.fixture(name="known")
def provide_known(stand: Stand, origin: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Four accounts: well, held in need of its tenant, without groups in its app, and failed."""
    for account in origin.server.accounts:
        stand.server.put_account(account)
    stand.go_on_from(origin)
    enter(stand, monkeypatch)
    return stand


def enter(stand: Stand, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)
    patch.chdir(stand.folder)


def test_a_command_seldom_searches_for_garbage_and_not_at_its_end() -> None:
    program = (
        "import atexit, gc\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 1000))\n"  # called last
        "from truto_groups.cli import main\n"
        "main(['--version'])\n"
        "before = gc.get_stats()[0]['collections']\n"
        "much = [[] for _ in range(40_000)]\n"
        "assert gc.get_stats()[0]['collections'] - before <= 1\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == "True"


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], {"duckdb", "pydantic", "rich", "yaml"}),
        (["sync", "--help"], {"duckdb", "pydantic", "rich", "yaml"}),
        (["status"], {"asyncio", "httpx", "rich.console"}),
        (["accept"], {"asyncio", "httpx", "rich.console"}),
    ],
    ids=["help", "help of a command", "status", "accept"],
)
def test_what_is_slow_to_import_is_not_imported_by_who_does_not_need_it(
    arguments: list[str], absent: set[str], known: Stand
) -> None:
    """Dagster and pandas take two seconds, HTTP and rich some tenths of one."""
    program = (
        "import sys\n"
        "from truto_groups.cli import main\n"
        f"assert main({arguments!r}) == 0\n"
        f"print(*({absent | {'dagster', 'pandas'}!r} & set(sys.modules)), file=sys.stderr)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=known.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stderr == "\n"


@pytest.mark.parametrize("arguments", [["--help"], ["sync", "--help"], ["sandbox", "--help"]])
def test_help_ends_well(arguments: list[str], read_output: Read) -> None:
    assert main(arguments) == 0
    assert "truto-groups" in read_output()[0]


def test_the_version_is_told(read_output: Read) -> None:
    assert main(["--version"]) == 0
    assert read_output()[0].startswith("truto-groups ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "COMMAND"),
        (["sync", "--all", "--account", A], "not allowed with"),
        (["sandbox", "--port", "seventy"], "seventy is no port"),
        (["sandbox", "--port", "0"], "0 is no port"),
        (["snyc"], "Did you mean 'sync'?"),
        (["status", "--jason"], "'--json'"),
        (["accept", "--acount", A], "'--account'"),
        (["status", "--json", "--watch"], "not allowed with"),
        (["sync", "--reason", "none"], "No such option '--reason'"),
        (["sync", A], "unexpected extra argument"),
        (["accept", "--account"], "requires an argument"),
    ],
    ids=[
        *("nothing", "all and one", "a word", "zero", "a command", "an option", "another option"),
        *("watched JSON", "another command's option", "a bare name", "no value"),
    ],
)
def test_a_wrong_call_is_told_with_exit_code_2(
    arguments: list[str], told: str, read_output: Read
) -> None:
    assert main(arguments) == 2
    assert told in read_output()[1]


def test_status_tells_how_each_account_stands(known: Stand, read_output: Read) -> None:
    assert main(["status", "--json"]) == 0

    objects = {one["integrated_account_id"]: one for one in json.loads(read_output()[0])}
    assert set(objects) == {A, B, C, D}
    assert objects[A] == {
        "integrated_account_id": A,
        "partition_key": "acme.okta.aaaaaaaa",
        "label": "Okta EU",
        "tenant_id": "acme",
        "integration": "okta",
        "status": "active",
        "not_synced_because": None,
        "groups": 3,
        "last_confirmed_at": known.now.isoformat(),
        "last_attempt_at": known.now.isoformat(),
        "outcome": "published",
        "error_kind": None,
        "error": None,
        "gone_at": None,
        "is_stale": True,
        "what_to_do": "Look at its last runs; is the Dagster daemon running?",
    }
    assert "have the tenant reconnect the app" in objects[B]["what_to_do"]
    assert (objects[C]["what_to_do"], objects[C]["is_stale"]) == ("", False)
    assert objects[C]["not_synced_because"] == "Its integration, zendesk, has no groups."
    assert objects[D]["outcome"] == "held_back"
    assert objects[D]["what_to_do"] == objects[D]["error"]
    assert (objects[D]["groups"], objects[D]["last_confirmed_at"]) == (None, None)


def test_status_as_a_table_names_accounts_and_what_to_do(known: Stand, read_output: Read) -> None:
    assert main(["status"]) == 0

    out, err = read_output()
    lines = out.splitlines()
    assert lines[0].split() == [
        *("account", "integration", "tenant", "status", "groups", "confirmed", "last", "sync")
    ]
    assert [id_of(line.split()[0]) for line in lines[2:6]] == [D, A, B, C]
    assert "none: its integration, zendesk, has no groups" in lines[5]
    assert "(stale)" in lines[3]
    assert ".bbbbbbbb: Its status is needs_reauth" in out
    assert lines[-1] == (
        "4 accounts, 3 groups; 2 stale, 1 failed or held back at the last attempt."
    )
    assert err == ""
    del known


def test_status_says_what_drifted_and_how_to_accept_it_and_which_types_want_a_mapping(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, read_output: Read
) -> None:
    """They warn in the checks, so that whoever asks for what to do must hear of them."""
    stand.put(A, groups_of(30), [group(n, new=n) for n in range(30)], tenant_id="acme")
    stand.put(B, [group(n, group_type="guild") for n in range(3)], integration="jumpcloud")
    stand.put(C, groups_of(40), [], integration="slack")
    stand.now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)
    stand.discover()
    stand.sync()
    stand.pass_time(minutes=1)
    stand.sync(run_id="second")
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)
    monkeypatch.chdir(stand.folder)

    assert main(["status"]) == 0
    lines = read_output()[0].partition("What to do:\n")[2].splitlines()
    told = {line.split(": ")[0].split(".")[-1]: line for line in lines if line}
    assert told.keys() >= {A[:8], B[:8], C[:8]}
    assert "Field was added, `new`: " in told[A[:8]]
    assert '`truto-groups accept --account acme.okta.aaaaaaaa --reason "…"`' in told[A[:8]]
    assert "Map the types in Truto, or raise `unmapped_limit`" in told[B[:8]]
    assert "accept" not in told[B[:8]]
    assert '`truto-groups accept --account acme.slack.cccccccc --reason "…"`' in told[C[:8]]


def test_status_needs_no_token_and_no_dagster_home(
    known: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in set(os.environ) - {"TRUTO_GROUPS_DATABASE"}:
        monkeypatch.delenv(name)
    assert main(["status"]) == 0
    assert known.table("groups")


def test_status_is_stale_by_what_the_settings_file_says(
    known: Stand, read_output: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.write_settings(f"accounts:\n  {A}:\n    max_age: 30d\n  {D}:\n    skip: true\n")
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(known.settings_path))
    main(["status", "--json"])

    objects = {one["integrated_account_id"]: one for one in json.loads(read_output()[0])}
    assert not objects[A]["is_stale"]
    assert not objects[D]["is_stale"]
    assert objects[D]["not_synced_because"] == "The settings file skips it."


def test_an_account_that_is_gone_is_shown_as_gone(known: Stand, read_output: Read) -> None:
    known.server.remove_account(A)
    known.now += timedelta(minutes=5)
    known.discover()
    main(["status", "--json"])
    objects = {one["integrated_account_id"]: one for one in json.loads(read_output()[0])}
    main(["status"])

    assert objects[A]["gone_at"] == known.now.isoformat()
    assert objects[A]["not_synced_because"] == "Truto no longer lists it."
    (line,) = [line for line in read_output()[0].splitlines() if "aaaaaaaa" in line]
    assert "gone" in line
    assert "active" not in line


def test_status_without_a_database_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_output: Read
) -> None:
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", str(tmp_path / "none.duckdb"))

    assert main(["status"]) == 2
    out, err = read_output()
    assert out == ""
    assert "There is no database at" in err
    assert "Run `truto-groups sync`" in err


def test_status_on_a_settings_file_with_a_mistake_names_the_line(
    known: Stand, read_output: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.write_settings("defaults:\n  refresh_evry: 6h\n")
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(known.settings_path))

    assert main(["status"]) == 2
    err = read_output()[1]
    assert "truto_groups.yaml:2: defaults.refresh_evry" in err
    assert "Did you mean refresh_every?" in err


def test_several_mistakes_in_a_settings_file_have_a_line_each(
    known: Stand, read_output: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.write_settings("defaults:\n  refresh_evry: 6h\n  max_age: -1\n  skip: 3\n")
    monkeypatch.setenv("TRUTO_GROUPS_SETTINGS", str(known.settings_path))

    assert main(["status"]) == 2
    title, *lines = read_output()[1].splitlines()
    assert title == "truto-groups: 3 mistakes in the settings:"
    assert [line.partition(": ")[0] for line in lines] == [
        f"  ({number}) {known.settings_path}:{number + 1}" for number in (1, 2, 3)
    ]


def test_the_dotenv_of_a_project_says_only_what_is_not_set(tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").touch()
    (tmp_path / ".env").write_text("TRUTO_API_TOKEN=\nONE=file\nexport TWO='of file'\nEMPTY=file\n")
    below = tmp_path / "below"
    below.mkdir()

    found = read_variables({"ONE": "set", "EMPTY": "", "THREE": "set"}, cwd=below)

    assert found == {"ONE": "set", "TWO": "of file", "EMPTY": "file", "THREE": "set"}


def test_outside_of_a_project_no_dotenv_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ONE=file\n")

    assert read_variables({}, cwd=tmp_path) == {}


NASTY = "技术\x1b[2J\x9b\u202e\nA line of its own"


@pytest.fixture(name="listed_nasty", scope="module")
def provide_listed_nasty(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """An account whose tenant and label are worded to do harm."""
    named = {"tenant_id": NASTY, "context": {"label": NASTY}}
    with open_stand(tmp_path_factory.mktemp("nasty")) as stand:
        stand.put(A, groups_of(1), integration="okta", status="needs_reauth", **named)
        stand.discover()
    return stand


@pytest.fixture(name="nasty")
def provide_nasty(listed_nasty: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Its database, which is only read."""
    enter(listed_nasty, monkeypatch)
    return listed_nasty


def test_no_name_is_obeyed_by_the_terminal_and_json_has_it_as_it_came(
    nasty: Stand, read_output: Read
) -> None:
    assert main(["status"]) == 0
    shown = read_output()[0]
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
    harmless = "技术\\x1b[2J\\x9b\\u202e A line of its own"
    assert shown.count(f"2J-A-line-of-its-own.okta.aaaaaaaa ({harmless})") == 2
    assert not any(line.startswith("A line") for line in shown.splitlines())

    assert main(["status", "--json"]) == 0
    told = read_output()[0]
    assert told.isascii()
    assert json.loads(told)[0]["tenant_id"] == NASTY


@pytest.mark.parametrize(
    "locale",
    [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}],
    ids=["cron", "ascii"],
)
def test_without_utf_8_a_command_ends_well(nasty: Stand, locale: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "truto_groups.cli", "status"],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | locale,
        cwd=nasty.folder,
        capture_output=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert rb"okta.aaaaaaaa (\u6280\u672f\x1b[2J" in ended.stdout


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NO_PROXY", "10.0.0.0/8,fd00::/8"),
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("SSL_CERT_FILE", "/gone/certificates.pem"),
        ("TMPDIR", "/gone"),
        ("TRUTO_BASE_URL", "https://"),
        ("TRUTO_GROUPS_SETTINGS", "/gone/settings.yaml"),
        ("DAGSTER_HOME", "relative"),
    ],
)
def test_a_variable_that_is_wrong_ends_a_sync_with_2_and_by_its_name(
    variable: str,
    value: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read_output: Read,
) -> None:
    (tmp_path / "workspace.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUTO_API_TOKEN", "a-token-for-variables")
    monkeypatch.setenv(variable, value)
    before = signal.getsignal(signal.SIGTERM)

    assert main(["sync"]) == 2

    signal.signal(signal.SIGTERM, before)
    assert variable in read_output()[1]


@pytest.mark.parametrize("command", ["sync", "status", "accept"])
def test_a_folder_that_is_gone_is_told(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_output: Read
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert main([command]) == 2
    assert "not there any more" in read_output()[1]
