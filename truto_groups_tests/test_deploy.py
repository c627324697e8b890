"""What deploy/ holds works: the units are systemd's, the backup loads again. Nothing is faked.

Compose and Kubernetes are asked where they are installed, as `.ci/run deploy` does.
"""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from truto_groups.warehouse.database import Database
from truto_groups_tests.stand import A, Stand, groups_of

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = Path(sys.executable).parent / "docker-compose"
# What the chart writes itself of dagster.yaml, by its values.
OF_THE_CHART = {
    *("storage", "concurrency", "run_queue", "compute_logs", "retention", "sensors", "schedules"),
    *("python_logs", "telemetry"),
}
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
INSTALLED = "/opt/truto-groups"


def verify(folder: Path, *, ours: Path) -> list[str]:
    """What systemd says of the units, as they would be with everything installed in a folder."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace(INSTALLED, str(ours))
        (folder / unit.name).write_text(text, encoding="utf-8")
    told = subprocess.run(
        ["systemd-analyze", "verify", *(str(folder / unit.name) for unit in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in told.stderr.splitlines() if "truto-groups" in line]


@pytest.fixture(name="installed")
def provide_installed(tmp_path: Path) -> Path:
    """A folder that looks like the installed one; its path is as short as a unit's may be."""
    programs = tmp_path / "installed" / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("dagster-daemon", "dagster-webserver", "python"):
        (programs / name).symlink_to(Path(sys.executable).parent / name)
    return tmp_path / "installed"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path, installed: Path) -> None:
    assert len(UNITS) == 4
    assert verify(tmp_path, ours=installed) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_names_a_program_that_is_not_there(tmp_path: Path) -> None:
    told = verify(tmp_path, ours=tmp_path / "nowhere")

    assert any("nowhere/.venv/bin/dagster-daemon is not executable" in line for line in told)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_every_unit_is_named_in_the_document(unit: Path) -> None:
    assert unit.name in (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")


def test_daemon_and_webserver_share_history_and_tables() -> None:
    shared = [
        set(re.findall(r"^(?:Environment|User|WorkingDirectory).*", path.read_text(), re.MULTILINE))
        for path in UNITS
        if path.name.endswith(("daemon.service", "webserver.service"))
    ]

    assert shared[0] == shared[1]
    assert any("DAGSTER_HOME" in line for line in shared[0])


@pytest.mark.long
def test_a_backup_taken_while_somebody_writes_loads_again_whole(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.put(A, groups_of(3), groups_of(5))
    stand.discover()
    stand.sync()
    monkeypatch.setenv("TRUTO_GROUPS_DATABASE", stand.database.location)
    back_up = runpy.run_path(str(ROOT / "deploy" / "backup.py"))["back_up"]
    folder = tmp_path / "o'clock"
    for day in range(1, 17):
        (folder / f"2025-01-{day:02}").mkdir(parents=True)

    with stand.database.writing() as connection:
        connection.execute("DELETE FROM groups").fetchall()
        found = back_up(folder)

    assert len(list(folder.iterdir())) == 14
    restored = tmp_path / "restored.duckdb"
    with duckdb.connect(str(restored)) as connection:
        connection.execute(f"IMPORT DATABASE '{str(found).replace(chr(39), chr(39) * 2)}'")
    stand.database = Database(str(restored))
    assert len(stand.table("groups")) == 3
    assert stand.outcomes() == {A: "published"}
    assert len(stand.rows("SELECT * FROM groups_as_of(now())")) == 5
    assert stand.rows("SELECT * FROM account_drift WHERE severity = 'breaking'") == []


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def compose(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What compose makes of its file, with these variables and no others."""
    return subprocess.run(
        [str(COMPOSE), "-f", str(DEPLOY / "compose.yaml"), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not COMPOSE.exists(), reason="compose is not here: .ci/run deploy installs it")
def test_compose_takes_its_file_and_every_secret_from_the_variables() -> None:
    example = (DEPLOY / "compose.env.example").read_text(encoding="utf-8")
    secrets = {name: f"secret of {name}" for name in re.findall(r"^(\w+)=$", example, re.MULTILINE)}
    assert {"TRUTO_API_TOKEN", "POSTGRES_PASSWORD"} < set(secrets)
    for name in secrets:
        without = compose("config", **{one: text for one, text in secrets.items() if one != name})
        assert without.returncode != 0
        assert f"{name} is missing a value: set it in deploy/.env" in without.stderr

    told = compose("config", "--format", "json", **secrets)

    assert told.returncode == 0, told.stderr
    services = json.loads(told.stdout)["services"]
    ours = {name: one for name, one in services.items() if name not in ("postgres", "s3")}
    assert set(ours) == {"code-server", "daemon", "webserver"}
    for service in ours.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["healthcheck"]["test"]
    assert [name for name, one in services.items() if "docker.sock" in str(one)] == ["daemon"]
    ports = [port for one in services.values() for port in one.get("ports", ())]
    assert [port["host_ip"] for port in ports] == ["127.0.0.1"]


def test_compose_sets_what_its_launcher_passes_on_to_runs() -> None:
    launcher = read_yaml(DEPLOY / "cluster" / "launcher-docker.yaml")["run_launcher"]["config"]
    variables = read_yaml(DEPLOY / "compose.yaml")["x-variables"]

    assert set(launcher["env_vars"]) <= set(variables)
    assert launcher["network"]["env"] in variables
    assert launcher["image"]["env"] in variables
    assert Path(variables["DAGSTER_HOME"]).name == "docker"


def test_the_charts_values_say_what_the_clusters_instance_says() -> None:
    values = read_yaml(DEPLOY / "helm" / "values.yaml")
    instance = read_yaml(DEPLOY / "cluster" / "dagster.yaml")
    more = values["additionalInstanceConfig"]

    assert set(instance) == OF_THE_CHART | set(more)
    assert more == {name: instance[name] for name in more}
    queue = values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    runs = instance["concurrency"]["runs"]
    assert queue["maxConcurrentRuns"] == runs["max_concurrent_runs"]
    assert queue["tagConcurrencyLimits"] == runs["tag_concurrency_limits"]
    scheme = instance["storage"]["postgres"]["postgres_db"]["scheme"]
    assert values["postgresql"]["postgresqlScheme"] == scheme
    # What is given whole must not be written by the chart as well.
    assert values["dagsterDaemon"]["runMonitoring"] == {"enabled": False}
    assert values["dagsterDaemon"]["runRetries"] == {"enabled": False}


def test_no_process_of_the_chart_may_write_or_be_root() -> None:
    values = read_yaml(DEPLOY / "helm" / "values.yaml")
    (code_server,) = values["dagster-user-deployments"]["deployments"]
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    run_pod = launcher["runK8sConfig"]["podSpecConfig"]["securityContext"]
    parts = [code_server, values["dagsterWebserver"], values["dagsterDaemon"]]

    for part in [*parts, {**launcher, "podSecurityContext": run_pod}]:
        assert part["podSecurityContext"]["runAsNonRoot"] is True
        assert part["securityContext"]["readOnlyRootFilesystem"] is True
        assert [one["mountPath"] for one in part["volumeMounts"]] == ["/tmp"]  # noqa: S108
        assert part["envSecrets"] == [{"name": "truto-groups"}]


def test_kubernetes_takes_the_manifests() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    manifests = [
        one
        for path in sorted((DEPLOY / "kubernetes").iterdir())
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]

    assert len(manifests) >= 4
    for one in manifests:
        kubernetes_validate.validate(one, "1.30", strict=True)
