"""Dagster on many machines, by the files of deploy/cluster/ as they are.

Real: Postgres, the code server, the daemon, and where they can be had Redis and Celery's workers;
the sandbox, DuckDB. All of them are on this machine.
"""

import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner
from dagster._cli import cli

from truto_groups.defs.history import CHECKS
from truto_groups.defs.home import ProjectInstance
from truto_groups.sandbox import Request, Response, SandboxServer, make_account
from truto_groups_tests.defs.served import BIN, ROOT, running, wait_for
from truto_groups_tests.processes import find_free_port
from truto_groups_tests.stand import GROUPS_PATH, KEYS, A, B, groups_of

FILES = ROOT / "deploy" / "cluster"
WORKSPACE = str(FILES / "workspace.yaml")
SENT_TO_CELERY = "dagster-celery/task_id"
LAUNCHERS = {
    "launcher-celery.yaml": ("dagster_celery", "CeleryRunLauncher"),
    "launcher-docker.yaml": ("dagster_docker", "DockerRunLauncher"),
    "launcher-kubernetes.yaml": ("dagster_k8s", "K8sRunLauncher"),
}
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: {token: none}}]
contexts: [{name: here, context: {cluster: here, user: me}}]
current-context: here
"""
# What many machines need otherwise than one.
ONLY_HERE = {"storage", "local_artifact_storage", "compute_logs", "concurrency", "run_monitoring"}


@pytest.fixture(name="variables")
def provide_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_database: str
) -> dict[str, str]:
    """The variables that the files name, all of them set."""
    told = dict(part.split("=") for part in postgres_database.split())
    broker = find_free_port()
    variables = {
        "DAGSTER_HOME": str(tmp_path / "home"),
        "DAGSTER_POSTGRES_HOST": told["host"],
        "DAGSTER_POSTGRES_PORT": told["port"],
        "DAGSTER_POSTGRES_DB": told["dbname"],
        "DAGSTER_POSTGRES_USER": told["user"],
        # Postgres trusts whoever asks; what has to be quoted in an address must not break it.
        "DAGSTER_POSTGRES_PASSWORD": "p'w%/@:?# ",
        "DAGSTER_CODE_SERVER_HOST": "127.0.0.1",
        "DAGSTER_CODE_SERVER_PORT": str(find_free_port()),
        "DAGSTER_CELERY_BROKER": f"redis://127.0.0.1:{broker}/0",
        "DAGSTER_CELERY_BACKEND": f"redis://127.0.0.1:{broker}/1",
        "DAGSTER_CURRENT_IMAGE": "truto-groups:0.1.0",
        "DAGSTER_DOCKER_NETWORK": "truto-groups",
        "DAGSTER_K8S_NAMESPACE": "truto-groups",
        "TMPDIR": str(tmp_path / "tmp"),
    }
    (tmp_path / "tmp").mkdir()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def write_home(folder: Path, *files: str) -> Path:
    """A Dagster home as docs/operate.md says to make one, read-only."""
    home = folder / "home"
    home.mkdir()
    texts = [(FILES / name).read_text(encoding="utf-8") for name in ("dagster.yaml", *files)]
    (home / "dagster.yaml").write_text("".join(texts), encoding="utf-8")
    home.chmod(0o555)
    return home


def assert_kept_nothing(home: Path) -> None:
    """Nobody keeps a file there; Dagster's telemetry makes empty folders even where it is off."""
    assert [path.name for path in home.rglob("*") if path.is_file()] == ["dagster.yaml"]


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_cluster_differs_from_one_machine_only_where_it_must() -> None:
    one, many = read_yaml(ROOT / "dagster.yaml"), read_yaml(FILES / "dagster.yaml")

    assert {name for name in one.keys() | many.keys() if one.get(name) != many.get(name)} == (
        ONLY_HERE
    )
    assert (
        read_yaml(ROOT / "workspace.yaml")["load_from"][0]["python_module"]["location_name"]
        == (read_yaml(FILES / "workspace.yaml")["load_from"][0]["grpc_server"]["location_name"])
    )


@pytest.mark.long
def test_history_lies_in_postgres_and_refreshes_leave_places_to_others(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    home = write_home(tmp_path)

    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert type(instance) is ProjectInstance
        for storage in (
            instance.run_storage,
            instance.event_log_storage,
            instance.schedule_storage,
        ):
            assert type(storage).__module__.startswith("dagster_postgres.")
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        (limit,) = queue.tag_concurrency_limits
        assert limit["limit"] < queue.max_concurrent_runs
        assert instance.run_monitoring_poll_interval_seconds <= 60
    assert_kept_nothing(home)


@pytest.mark.long
@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_launcher_is_made_as_its_file_says(
    tmp_path: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    module, launcher = LAUNCHERS[name]
    pytest.importorskip(module)
    home = write_home(tmp_path, name)
    if module == "dagster_k8s":
        provide_service_account(tmp_path, monkeypatch)

    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert type(instance.run_launcher).__name__ == launcher


@pytest.mark.long
def test_the_kubernetes_launcher_makes_a_job_that_kubernetes_takes(
    tmp_path: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = pytest.importorskip("dagster_k8s.job")
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    client = pytest.importorskip("kubernetes.client")
    home = write_home(tmp_path, "launcher-kubernetes.yaml")
    provide_service_account(tmp_path, monkeypatch)

    with dg.DagsterInstance.from_config(str(home)) as instance:
        launcher: Any = instance.run_launcher
        run = instance.create_run_for_job(dg.GraphDefinition("nothing").to_job())
        context = launcher.get_container_context_for_run(run)
        job = jobs.construct_dagster_k8s_job(
            job_config=context.get_k8s_job_config(
                job_image="truto-groups:1", run_launcher=launcher
            ),
            args=["dagster", "api", "execute_run"],
            job_name="run",
            pod_name="run",
            component="run_worker",
            user_defined_k8s_config=context.run_k8s_config,
        )
    made = client.ApiClient().sanitize_for_serialization(job)

    kubernetes_validate.validate(made, "1.30", strict=True)
    pod = made["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert [one["mountPath"] for one in pod["containers"][0]["volumeMounts"]] == ["/tmp"]  # noqa: S108


def provide_service_account(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a pod finds of its account, laid where the client can be told to look for it."""
    incluster_config = pytest.importorskip("kubernetes.config.incluster_config")
    for name in ("token", "ca"):
        (folder / name).write_text("none")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(folder / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(folder / "ca"))


def test_every_launcher_has_its_test_and_every_file_its_place_in_the_document() -> None:
    assert {path.name for path in FILES.glob("launcher-*")} == set(LAUNCHERS)
    document = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    for path in FILES.iterdir():
        assert path.name in document


@pytest.fixture(name="sandbox")
def provide_sandbox(
    tmp_path: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[SandboxServer]:
    """A sandbox with two accounts, to which the variables lead."""
    accounts = [make_account(one, groups_of(3), integration="okta") for one in (A, B)]
    tables = tmp_path / "groups.duckdb"
    with SandboxServer(accounts=accounts) as server:
        monkeypatch.setenv("TRUTO_API_TOKEN", server.token)
        monkeypatch.setenv("TRUTO_BASE_URL", server.base_url)
        monkeypatch.setenv("TRUTO_GROUPS_DATABASE", str(tables))
        yield server


@contextmanager
def running_redis(folder: Path, variables: dict[str, str]) -> Iterator[None]:
    """A broker for Celery; skip where either cannot be had."""
    pytest.importorskip("dagster_celery")
    if shutil.which("redis-server") is None:
        pytest.skip("There is no Redis: install it (Debian: apt-get install redis-server).")
    port = variables["DAGSTER_CELERY_BROKER"].rpartition(":")[2].partition("/")[0]
    command = ["redis-server", "--port", port, "--save", "", "--bind", "127.0.0.1"]
    with running(*command, folder=folder):
        yield


def worker_of(variables: Mapping[str, str]) -> list[str]:
    """The command of a worker, as docs/operate.md has it."""
    document = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    (told,) = re.findall("`celery (-A dagster_celery.app .+?)`", document)
    return [str(BIN / "celery"), *shlex.split(Template(told).substitute(variables))]


def read_refreshes(
    instance: dg.DagsterInstance, *statuses: dg.DagsterRunStatus
) -> Sequence[dg.DagsterRun]:
    return instance.get_runs(dg.RunsFilter(job_name="refresh_groups", statuses=statuses))


def assert_verdicts_are_told(instance: dg.DagsterInstance) -> None:
    found = instance.get_materialized_partitions(dg.AssetKey("groups"))
    assert found == {KEYS[A], KEYS[B]}
    told = {key: instance.get_latest_asset_check_evaluation_record(key) for key in CHECKS}
    assert {
        key.name for key, one in told.items() if one is None or one.status.name != "SUCCEEDED"
    } <= {"declared_contracts_are_stable"}


@pytest.mark.slow
def test_accounts_are_refreshed_through_a_code_server_and_verdicts_are_told(
    tmp_path: Path, variables: dict[str, str], sandbox: SandboxServer
) -> None:
    home = write_home(tmp_path)
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        running_dagster(tmp_path, variables) as programs,
    ):

        def has_ended() -> bool:
            runs = read_refreshes(instance)
            return bool(runs) and all(one.is_finished for one in runs)

        wait_for("the refresh has ended", has_ended, *programs)
        assert_verdicts_are_told(instance)
        (run,) = read_refreshes(instance)
        assert SENT_TO_CELERY not in run.tags
    assert_kept_nothing(home)


@pytest.mark.slow
def test_celery_refreshes_accounts_and_a_run_whose_worker_is_killed_is_ended_and_run_again(
    tmp_path: Path, variables: dict[str, str], sandbox: SandboxServer
) -> None:
    """Celery goes on saying that the task has started. A run that waited is not lost with it."""
    with running_redis(tmp_path, variables):
        home = write_home(tmp_path, "launcher-celery.yaml")
        hanging: list[str] = []

        def intercept(request: Request) -> Response | None:
            if request.path == GROUPS_PATH and len(hanging) < 2:
                hanging.append(str(request.integrated_account_id))
                return Response(delay_seconds=300)
            return None

        sandbox.intercept = intercept
        with (
            dg.DagsterInstance.from_config(str(home)) as instance,
            running_dagster(tmp_path, variables) as programs,
        ):

            def is_there(job: str, status: dg.DagsterRunStatus) -> bool:
                runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=[status]))
                return any(SENT_TO_CELERY in run.tags for run in runs)

            with running(*worker_of(variables), folder=tmp_path):
                wait_for("groups are asked for", lambda: len(hanging) == 2, *programs)
                dagster("job", "launch", "-j", "evaluate_checks", "-w", WORKSPACE)
                starting = dg.DagsterRunStatus.STARTING
                wait_for("another waits", lambda: is_there("evaluate_checks", starting), *programs)
                (killed,) = read_refreshes(instance)
                health = instance.run_launcher.check_run_worker_health(killed)
                assert health.status.name == "RUNNING"
            killed_at = time.monotonic()

            def is_ended() -> bool:
                (run,) = instance.get_runs(dg.RunsFilter(run_ids=[killed.run_id]))
                return run.status is dg.DagsterRunStatus.FAILURE

            wait_for("the killed run is ended", is_ended, *programs)
            assert time.monotonic() - killed_at < 120
            (ending,) = instance.all_logs(killed.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
            assert "process of the run was killed" in str(ending.get_dagster_event().message)
            with running(*worker_of(variables), folder=tmp_path):
                done = dg.DagsterRunStatus.SUCCESS
                wait_for("it is run again", lambda: is_there("refresh_groups", done), *programs)
                wait_for("the other, too", lambda: is_there("evaluate_checks", done), *programs)
            assert_verdicts_are_told(instance)
    assert_kept_nothing(home)


def dagster(*command: str) -> None:
    """A command of Dagster's, in this process, which has loaded it."""
    told = CliRunner().invoke(cli, command)
    assert told.exit_code == 0, told.output


@contextmanager
def running_dagster(
    folder: Path, variables: dict[str, str]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A code server and a daemon, as they are started on machines of their own."""
    port = variables["DAGSTER_CODE_SERVER_PORT"]
    server = [str(BIN / "dagster"), "api", "grpc", "-h", "127.0.0.1", "-p", port]
    daemon = [str(BIN / "dagster-daemon"), "run", "-w", WORKSPACE]
    with running(*server, "-m", "truto_groups.definitions", folder=folder) as code:
        wait_for("the code server is up", lambda: listens(int(port)), code)
        dagster("api", "grpc-health-check", "-p", port)
        with running(*daemon, folder=folder) as ticking:
            yield [code, ticking]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
