"""Metrics as a collector gets them: OTLP over HTTP on loopback, decoded with its own protobuf.

Real: the command in a process of its own, the sandbox, OpenTelemetry's SDK and exporter.
"""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from truto_groups.sandbox import Request, Response
from truto_groups.telemetry import is_wanted
from truto_groups_tests.processes import find_free_port
from truto_groups_tests.stand import (
    GROUPS_PATH,
    KEYS,
    A,
    B,
    C,
    D,
    Stand,
    enter_project,
    group,
    groups_of,
)

TOKEN = "collector-token-4711"


@dataclass
class Collector:
    """What was sent to a collector."""

    port: int
    answers: list[int] = field(default_factory=list[int])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    bodies: list[bytes] = field(default_factory=list[bytes])

    @property
    def metrics(self) -> dict[str, dict[frozenset[tuple[str, str]], Any]]:
        """The points of each metric by their attributes; later ones replace earlier ones."""
        found: dict[str, dict[frozenset[tuple[str, str]], Any]] = {}
        for resource in self.resources:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    data = getattr(metric, str(metric.WhichOneof("data")))
                    for point in data.data_points:
                        key = frozenset(
                            (one.key, one.value.string_value) for one in point.attributes
                        )
                        found.setdefault(metric.name, {})[key] = point
        return found

    @property
    def resources(self) -> list[Any]:
        requests = [ExportMetricsServiceRequest.FromString(body) for body in self.bodies]
        return [resource for request in requests for resource in request.resource_metrics]

    def value(self, metric: str, **attributes: str) -> float:
        """The value of a sum or a gauge."""
        point = self.metrics[metric][frozenset(attributes.items())]
        return float(point.as_int or point.as_double)


@pytest.fixture(name="collector")
def provide_collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            collector.headers.append(dict(self.headers))
            collector.bodies.append(body)
            self.send_response(collector.answers.pop(0) if collector.answers else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield collector
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(name="stand")
def provide_stand(stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    enter_project(stand, tmp_path, monkeypatch)
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    stand.put(A, [group(1, "Ganymede Payroll"), *groups_of(3)], tenant_id="tenant-of-jupiter")
    stand.put(B, groups_of(2), integration="jira")
    stand.put(C, [group(1, "Himalia") | {"id": None}], integration="jira")
    stand.put(D, groups_of(1), integration="asana")

    def refuse(request: Request) -> Response | None:
        is_refused = request.path == GROUPS_PATH and request.integrated_account_id == D
        return Response.of_json({"message": "no"}, status=403) if is_refused else None

    stand.server.intercept = refuse
    return stand


def sync(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "truto-groups"), "sync", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_refresh_tells_the_collector_what_it_did_and_names_nobody(
    stand: Stand, collector: Collector
) -> None:
    told = sync(
        "--all",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.port}",
        OTEL_EXPORTER_OTLP_HEADERS=f"authorization={TOKEN}",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test",
    )

    assert told.returncode == 1  # C is held back, and D refused
    assert {"Authorization": TOKEN}.items() <= {
        name.title(): value for name, value in collector.headers[0].items()
    }.items()
    app = {"integration": "okta"}
    assert collector.value("truto_groups.syncs", **app, outcome="published") == 1
    jira = [dict(key) for key in collector.metrics["truto_groups.syncs"]]
    assert {"integration": "jira", "outcome": "published"} in jira
    assert len([one for one in jira if one["integration"] == "jira"]) == 2
    assert collector.value("truto_groups.syncs", integration="asana", outcome="failed") == 1
    assert collector.value("truto_groups.requests", **app) >= 1
    assert collector.value("truto_groups.accounts", state="active") == 4
    assert collector.value("truto_groups.accounts", state="fresh") == 2
    assert 0 <= collector.value("truto_groups.lag") < 300
    (run,) = collector.metrics["truto_groups.run.duration"].items()
    assert dict(run[0]) == {"outcome": "failed"}
    assert run[1].count == 1
    for name in ("truto_groups.turn.wait", "truto_groups.publication.duration"):
        (point,) = collector.metrics[name].values()
        assert point.count >= 1
        assert 0 <= point.sum < 300
    resource = {
        one.key: one.value.string_value for one in collector.resources[0].resource.attributes
    }
    assert resource["service.name"] == "truto-groups"
    assert resource["deployment.environment"] == "test"
    sent = b"".join(collector.bodies)
    secrets = (stand.server.token, TOKEN, "Ganymede", "Himalia", "jupiter", A[:8], KEYS[A])
    assert [one for one in secrets if one.encode() in sent] == []


@pytest.mark.slow
def test_a_collector_that_takes_nothing_is_no_error_of_a_run(
    stand: Stand, collector: Collector
) -> None:
    collector.answers += [400] * 100

    told = sync(
        "--account",
        A,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.port}",
        OTEL_EXPORTER_OTLP_HEADERS=f"authorization={TOKEN}",
    )

    assert told.returncode == 0
    assert TOKEN not in told.stdout + told.stderr
    assert collector.bodies
    assert len(stand.table("groups")) == 3


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "us"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, True),
        ({"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
    ],
)
def test_only_opentelemetrys_own_variables_turn_it_on(
    environ: dict[str, str], wanted: bool
) -> None:
    assert is_wanted(environ) is wanted


def use(prelude: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = (
        f"{prelude}\n"
        "import sys\n"
        "from truto_groups import telemetry\n"
        "with telemetry.counting_run():\n"
        "    telemetry.record_turn(0.5)\n"
        "print(telemetry.is_on(), 'opentelemetry' in sys.modules)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_without_a_variable_nothing_of_it_is_imported(stand: Stand) -> None:
    assert use("").stdout == "False False\n"


def test_without_the_extra_it_says_what_to_install(stand: Stand) -> None:
    told = use(
        "import sys; sys.modules['opentelemetry'] = None",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
    )

    assert told.stdout == "False True\n"
    assert "pip install 'truto-groups[telemetry]'" in told.stderr


def test_a_variable_that_makes_no_sense_turns_it_off_and_says_so(stand: Stand) -> None:
    told = use(
        "", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", OTEL_METRIC_EXPORT_INTERVAL="-1"
    )

    assert told.stdout == "False True\n"
    assert "No metrics are sent" in told.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", f"/{TOKEN}"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"/otlp/v1/metrics?api_key={TOKEN}"),
    ],
    ids=["path", "query"],
)
def test_an_endpoint_that_cannot_be_reached_is_no_error_and_a_token_in_it_is_not_told(
    stand: Stand, variable: str, path: str
) -> None:
    endpoint = f"http://127.0.0.1:{find_free_port()}{path}"
    told = use("", **{variable: endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "2"})

    assert told.stdout == "True True\n"
    assert "[endpoint]" in told.stderr
    assert TOKEN not in told.stdout + told.stderr


@pytest.mark.parametrize(
    "headers",
    [f"Authorization: Bearer {TOKEN}", f"a=b,{TOKEN}", f"key=a,b {TOKEN}", f"api-key=x%0A{TOKEN}"],
    ids=["colon", "bare", "comma", "line-break"],
)
def test_headers_that_are_none_are_told_without_what_they_hold(stand: Stand, headers: str) -> None:
    told = use(
        "",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
        OTEL_EXPORTER_OTLP_TIMEOUT="0.1",
        OTEL_EXPORTER_OTLP_HEADERS=headers,
    )

    assert told.stderr
    assert TOKEN not in told.stdout + told.stderr
