"""Where Dagster's history is kept: the instance as Dagster's commands and ours open it.

Real: Dagster's own way to an instance, SQLite, the project's dagster.yaml unchanged.
"""

import shutil
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._cli import cli
from dagster._cli.utils import get_possibly_temporary_instance_for_cli
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import deserialize_value, serialize_value

from truto_groups.defs.dagster_internals import read_events
from truto_groups.errors import SettingsError
from truto_groups.runner.local_runs import open_instance
from truto_groups.sandbox import Response, SandboxServer, make_account
from truto_groups_tests.stand import KEYS, A

ROOT = Path(__file__).parents[2]
PARTITIONS = "integrated_accounts"


@pytest.fixture(name="project")
def provide_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("workspace.yaml", "dagster.yaml"):
        shutil.copy(ROOT / name, project)
    monkeypatch.chdir(project)
    return project


def add_key(key: str) -> list[str]:
    """Add a partition as a command of Dagster's would, started here; all that are there now."""
    with get_possibly_temporary_instance_for_cli("a command") as instance:
        instance.add_dynamic_partitions(PARTITIONS, [key])
        return sorted(instance.get_dynamic_partitions(PARTITIONS))


def test_each_home_has_a_history_of_its_own_and_so_has_the_project(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two environments on one checkout once removed each other's partitions."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / "dagster.yaml", tmp_path / name)

    assert add_key("of the project") == ["of the project"]
    for name in ("one", "two"):
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / name))
        assert add_key(f"of {name}") == [f"of {name}"]
        assert (tmp_path / name / "history" / "runs.db").is_file()
    monkeypatch.delenv("DAGSTER_HOME")

    assert add_key("later") == ["later", "of the project"]
    assert sorted(entry.name for entry in project.iterdir()) == [
        ".dagster",
        "dagster.yaml",
        "workspace.yaml",
    ]


def test_our_command_and_dagsters_see_the_same_history(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = project / "below"
    below.mkdir()
    add_key("a")
    with open_instance(cwd=below) as instance:
        assert instance.get_dynamic_partitions(PARTITIONS) == ["a"]
        assert instance.storage_directory() == str(project / ".dagster" / "storage")
        assert not instance.telemetry_enabled

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with open_instance(cwd=below) as instance:
        assert instance.get_dynamic_partitions(PARTITIONS) == []


def test_an_instance_goes_over_to_another_process(project: Path) -> None:
    """As the webserver and each run get it from the command that started them."""
    add_key("a")
    with get_possibly_temporary_instance_for_cli("a command") as instance:
        packed = serialize_value(instance.get_ref())

    with dg.DagsterInstance.from_ref(deserialize_value(packed, InstanceRef)) as again:
        assert again.get_dynamic_partitions(PARTITIONS) == ["a"]


@pytest.mark.parametrize(
    ("home", "content", "told"),
    [
        ("relative", None, "must be an absolute path"),
        ("{folder}/none", None, "does not exist"),
        ("{folder}/file", None, "not a directory"),
        ("/proc", None, "No such file"),
        ("{folder}", b"storage: [", "while parsing"),
        ("{folder}", b"nonsense: 1", "nonsense"),
        ("{folder}", b"# \xe9", "codec can't decode"),
        ("{folder}", b"- 1", "parse to dictionary"),
    ],
)
def test_a_home_that_cannot_be_used_is_named(
    home: str,
    content: bytes | None,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").touch()
    if content is not None:
        (tmp_path / "dagster.yaml").write_bytes(content)
    monkeypatch.setenv("DAGSTER_HOME", home.format(folder=tmp_path))

    with (
        pytest.raises(SettingsError, match=r"Check DAGSTER_HOME") as caught,
        open_instance(cwd=tmp_path),
    ):
        pass

    assert told in str(caught.value)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:Function `asset_materialize_command` is superseded")
def test_a_run_prints_who_failed_and_where_to_look_and_no_stack_trace(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Two screens of Dagster's own code once hid the one line that a person can act on."""
    refused = {"message": "The token was revoked.", "truto_is_remote_error": True}
    account = make_account(A, failure=Response.of_json(refused, status=401))
    command = ["asset", "materialize", "-m", "truto_groups.definitions", "--select", "raw_groups"]
    with SandboxServer(accounts=[account]) as server:
        add_key(KEYS[A])
        monkeypatch.setenv("TRUTO_BASE_URL", server.base_url)
        monkeypatch.setenv("TRUTO_API_TOKEN", server.token)
        monkeypatch.setenv("TRUTO_GROUPS_DATABASE", str(tmp_path / "groups.duckdb"))
        run = CliRunner().invoke(cli, [*command, "--partition", KEYS[A]])

    printed = run.output + "".join(capfd.readouterr())
    with get_possibly_temporary_instance_for_cli("a command") as instance:
        (run_id,) = instance.get_run_ids()
        (kept,) = read_events(instance, run_id, dg.DagsterEventType.STEP_FAILURE)
    assert "Traceback" not in printed
    assert "Stack Trace" not in printed
    assert f"Not published: 1 integrated account ({KEYS[A]})." in printed
    assert f"is in the UI: /runs/{run_id}" in printed
    assert "Have its owner reconnect the account" in printed
    assert kept.step_failure_data.error is not None
    assert kept.step_failure_data.error.stack
