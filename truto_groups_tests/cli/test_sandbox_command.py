"""``truto-groups sandbox`` as a process of its own: real ports, signals and exit codes."""

import contextlib
import http.client
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from truto_groups.cli import main
from truto_groups.errors import SettingsError
from truto_groups.runner.sandbox_place import prepare_place
from truto_groups.sandbox import SETTINGS_PATH
from truto_groups.sandbox.server import DEFAULT_PORT
from truto_groups_tests.processes import find_free_port

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
SECONDS = 20


@pytest.fixture(name="port")
def provide_port() -> int:
    return find_free_port()


def make_call(port: int, *command: str) -> list[str]:
    call = [sys.executable, "-m", "truto_groups.cli", "sandbox", "--port", str(port)]
    return [*call, "--", *command] if command else call


def run(port: int, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        make_call(port, *command),
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        start_new_session=True,
    )


@contextlib.contextmanager
def started(port: int, *command: str, cwd: Path) -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen(
        make_call(port, *command),
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_port_that_the_help_names_is_the_sandbox_s_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sandbox", "--help"]) == 0
    assert f"default: {DEFAULT_PORT}." in capsys.readouterr().out


def ping(port: int) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def read_lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


def read_exports(lines: Sequence[str]) -> dict[str, str]:
    words = [shlex.split(line) for line in lines]
    assert {word[0] for word in words} == {"export"}
    return dict(word[1].split("=", 1) for word in words)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_it_serves_until_a_signal_and_prints_what_to_set(
    port: int, number: signal.Signals, tmp_path: Path
) -> None:
    with started(port, cwd=tmp_path) as process:
        exports = read_exports(read_lines(process, 5))
        served = ping(port)
        process.send_signal(number)
        code = process.wait(SECONDS)

    assert (served, code) == (200, 0)
    assert exports == {
        "TRUTO_BASE_URL": f"http://127.0.0.1:{port}",
        "TRUTO_API_TOKEN": "sandbox-token",
        "TRUTO_GROUPS_DATABASE": str(tmp_path / "data" / f"sandbox-{port}.duckdb"),
        "TRUTO_GROUPS_SETTINGS": str(SETTINGS_PATH),
        "DAGSTER_HOME": str(tmp_path / ".dagster" / f"sandbox-{port}"),
    }
    assert ping(port) is None


def test_a_command_runs_with_the_variables_set_and_gives_its_exit_code(
    port: int, tmp_path: Path
) -> None:
    program = "import os, urllib.request as r, sys; r.urlopen(os.environ['TRUTO_BASE_URL']+'/ping')"
    program += "; print(os.environ['TRUTO_API_TOKEN'], *sys.argv[1:]); sys.exit(7)"

    done = run(port, sys.executable, "-c", program, "--port", "x", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (7, "sandbox-token --port x\n")
    assert ping(port) is None


def test_a_command_that_a_signal_ended_gives_128_and_more(port: int, tmp_path: Path) -> None:
    done = run(port, "sh", "-c", "kill -9 $$", cwd=tmp_path)

    assert done.returncode == 128 + signal.SIGKILL


def test_a_command_that_does_not_exist_is_named(port: int, tmp_path: Path) -> None:
    done = run(port, "no-such-command", cwd=tmp_path)

    assert done.returncode == 127
    assert "no-such-command cannot be run: No such file or directory" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_a_signal_ends_the_command_and_the_sandbox(
    port: int, number: signal.Signals, tmp_path: Path
) -> None:
    program = (
        "import signal, sys, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM):\n"
        "    signal.signal(number, lambda got, frame: sys.exit(got + 50))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with started(port, sys.executable, "-c", program, cwd=tmp_path) as process:
        assert read_lines(process, 1) == ["ready"]
        process.send_signal(number)

        assert process.wait(SECONDS) == number + 50
    assert ping(port) is None


def test_a_sandbox_that_is_served_already_is_used_by_a_command(port: int, tmp_path: Path) -> None:
    with started(port, cwd=tmp_path) as process:
        read_lines(process, 5)
        done = run(port, "sh", "-c", "echo $TRUTO_BASE_URL", cwd=tmp_path)
        alone = run(port, cwd=tmp_path)

        assert (done.returncode, done.stdout) == (0, f"http://127.0.0.1:{port}\n")
        assert "which another process serves" in done.stderr
        assert alone.returncode == 0
        assert len(read_exports(alone.stdout.splitlines())) == 5
        assert process.poll() is None
        assert ping(port) == 200


class Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_port_of_another_program_is_named_with_the_way_out(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        done = run(server.server_port, "true", cwd=tmp_path)
        server.shutdown()

    assert done.returncode == 2
    assert f"Port {server.server_port} is taken by another program" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_time_goes_on_after_a_restart(port: int, tmp_path: Path) -> None:
    """What a first start served once is at its next refresh for the second."""
    program = (
        "import os, json, urllib.request as r\n"
        "url = os.environ['TRUTO_BASE_URL'] + '/unified/user-directory/groups?limit=500'\n"
        "url += '&integrated_account_id=0b6f1c52-8f0e-4d5b-9a63-5f4f0f7a1c01'\n"
        "headers = {'Authorization': 'Bearer ' + os.environ['TRUTO_API_TOKEN']}\n"
        "body = json.load(r.urlopen(r.Request(url, headers=headers)))\n"
        "print(sorted(group['name'] for group in body['result']))\n"
    )
    first = run(port, sys.executable, "-c", program, cwd=tmp_path)
    second = run(port, sys.executable, "-c", program, cwd=tmp_path)

    assert "Contractors" in first.stdout
    assert second.returncode == 0
    assert "Contractors" not in second.stdout


def test_in_a_project_the_home_has_its_configuration_but_not_its_storage(tmp_path: Path) -> None:
    project = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    storage = {"sqlite": {"base_dir": "/history/of/the/project"}}
    (tmp_path / "workspace.yaml").touch()
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({**project, "storage": storage}))
    below = tmp_path / "below"
    below.mkdir()

    place = prepare_place(8790, cwd=below)

    config = yaml.safe_load((place.home / "dagster.yaml").read_text())
    assert place.home == tmp_path / ".dagster" / "sandbox-8790"
    assert place.database == tmp_path / "data" / "sandbox-8790.duckdb"
    assert config == project


def test_outside_of_a_project_it_says_where_it_puts_things(port: int, tmp_path: Path) -> None:
    outside = run(port, "true", cwd=tmp_path)
    (tmp_path / "workspace.yaml").touch()
    inside = run(port, "true", cwd=tmp_path)

    told = f"tables and history go to {tmp_path / 'data'} and {tmp_path / '.dagster'}."
    assert told in outside.stderr
    assert told not in inside.stderr


def test_outside_of_a_project_nothing_is_told_to_anyone(tmp_path: Path) -> None:
    place = prepare_place(8790, cwd=tmp_path)

    config = yaml.safe_load((place.home / "dagster.yaml").read_text())
    assert config["telemetry"] == {"enabled": False}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / ".dagster").touch()

    with pytest.raises(SettingsError, match=r"cannot keep its data in .*Start it in a folder"):
        prepare_place(8790, cwd=tmp_path)
