"""Metrics for OpenTelemetry, where its own variables ask for them. The only module that names it.

Off without a variable or without the extra ``telemetry``, and then it costs nothing. It counts over
integrations, states and outcomes, never over accounts, tenants or groups. A metric that cannot be
sent is no error of a run.
"""

import logging
import os
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from truto_groups.text.logs import get_logger, make_fit
from truto_groups.text.secrecy import hide, hide_address, hide_password
from truto_groups.text.visible import show
from truto_groups.version import read_version

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, Meter
    from opentelemetry.metrics import _Gauge as Gauge
    from opentelemetry.sdk.metrics import MeterProvider

logger = get_logger(__name__)

_NAME = "truto-groups"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS")
_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT")
_USUAL_PATH = "/v1/metrics"
_TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
# A run waits for it at its end, and for an away collector that long. OpenTelemetry's own is 10 s.
_SECONDS_TO_SEND = 5.0


@dataclass(frozen=True)
class _Instruments:
    provider: "MeterProvider"
    accounts: "Gauge"
    lag: "Gauge"
    syncs: "Counter"
    requests: "Counter"
    retries: "Counter"
    throttled: "Counter"
    turns: "Histogram"
    publications: "Histogram"
    runs: "Histogram"


def count_sync(
    *,
    integration: str,
    outcome: str,
    request_count: int,
    retry_count: int,
    throttled_seconds: float,
) -> None:
    """Count what became of an account, and what it took."""
    if (metrics := _find_instruments()) is None:
        return
    of_app = {"integration": show(integration)}
    metrics.syncs.add(1, {**of_app, "outcome": outcome})
    metrics.requests.add(request_count, of_app)
    metrics.retries.add(retry_count, of_app)
    metrics.throttled.add(throttled_seconds, of_app)


def record_turn(seconds: float) -> None:
    """Tell how long a process waited for its turn with the database."""
    if (metrics := _find_instruments()) is not None:
        metrics.turns.record(seconds)


def record_publication(seconds: float) -> None:
    """Tell how long accounts that share a transaction took to be published, from turn to commit."""
    if (metrics := _find_instruments()) is not None:
        metrics.publications.record(seconds)


def observe_accounts(counts: Mapping[str, int], *, lag_seconds: float | None) -> None:
    """Tell how many accounts are in which state, and how old the oldest confirmation is.

    Args:
        counts: By state; states that are left out keep what was said of them.
        lag_seconds: Since the confirmation of the account that waits longest; None when none was.
    """
    if (metrics := _find_instruments()) is None:
        return
    for state, count in counts.items():
        metrics.accounts.set(count, {"state": state})
    if lag_seconds is not None:
        metrics.lag.set(lag_seconds)


@contextmanager
def counting_run() -> Generator[None]:
    """Count a refresh and how it ended, and send what was counted when it does."""
    began, outcome = time.monotonic(), "interrupted"
    try:
        yield
        outcome = "succeeded"
    except Exception:
        outcome = "failed"
        raise
    finally:
        if (metrics := _find_instruments()) is not None:
            metrics.runs.record(time.monotonic() - began, {"outcome": outcome})
            flush()


def flush() -> None:
    """Send what was counted so far; what cannot be sent is told in the log and forgotten."""
    metrics = _find_instruments()
    if metrics is None:
        return
    try:
        metrics.provider.force_flush(int(_SECONDS_TO_SEND * 1000))
    except Exception as error:  # noqa: BLE001 - a metric is worth no run
        logger.warning("Metrics could not be sent: %s", error)


def is_on() -> bool:
    """Whether metrics are counted, for who would have to work for them."""
    return _find_instruments() is not None


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's variables ask for metrics."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = {one.strip() for one in environ.get("OTEL_METRICS_EXPORTER", "").split(",")} - {""}
    if exporters:
        return "otlp" in exporters
    return any(environ.get(name, "").strip() for name in _ENDPOINTS)


@cache
def _find_instruments() -> _Instruments | None:
    if not is_wanted(os.environ):
        return None
    _hide_secrets(os.environ)
    try:
        return _make_instruments(_make_provider())
    except ImportError:
        logger.warning(
            "OTEL_… variables ask for metrics, and OpenTelemetry is not installed: "
            "pip install 'truto-groups[telemetry]'."
        )
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a variable
        logger.warning("No metrics are sent: %s", error)
    return None


def _hide_secrets(environ: Mapping[str, str]) -> None:
    for name in _ENDPOINTS:
        _hide_endpoint(environ.get(name, "").strip())
    for name in _HEADERS:
        for part in environ.get(name, "").split(","):
            _hide_header(part.strip())


def _hide_header(part: str) -> None:
    """Hide what OpenTelemetry takes for a header, or quotes because it is none.

    That is a header behind whose name a colon stands, and the rest of a value that holds a comma.
    """
    _, separator, value = part.partition("=")
    for one in {value, unquote(value)} if separator else {part, part.partition(":")[2]}:
        hide(one.strip())
        # A scheme stands before it: `Bearer …`.
        for word in one.split()[1:]:
            hide(word)


def _hide_endpoint(address: str) -> None:
    """Hide an address that may hold a token in its path or query; a bare host may be told."""
    bare = address.removesuffix("/").removesuffix(_USUAL_PATH)
    hide_password(address)
    try:
        parts = urlsplit(bare)
        is_bare = not parts.path.strip("/") and not parts.query
    except ValueError:
        is_bare = False
    if not is_bare:
        hide_address(bare, name="endpoint")


def _guard_logs() -> None:
    """Keep secrets out of what OpenTelemetry logs, which quotes the address and its server."""
    # A filter of a logger is none of its children's, and each of its modules has one of its own.
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("opentelemetry."):
            logging.getLogger(name).addFilter(make_fit)


def _make_provider() -> "MeterProvider":
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
    from opentelemetry.sdk.metrics.export import (
        AggregationTemporality,
        PeriodicExportingMetricReader,
    )
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    _guard_logs()
    has_timeout = any(os.environ.get(name, "").strip() for name in _TIMEOUTS)
    # Sums since the process began mean little where each run is a process of its own.
    delta: dict[type, AggregationTemporality] = {
        Counter: AggregationTemporality.DELTA,
        Histogram: AggregationTemporality.DELTA,
    }
    exporter = OTLPMetricExporter(
        timeout=None if has_timeout else _SECONDS_TO_SEND,
        preferred_temporality=None if os.environ.get(_TEMPORALITY, "").strip() else delta,
    )
    resource = Resource.create({"service.name": _NAME, "service.version": read_version()})
    return MeterProvider(
        [PeriodicExportingMetricReader(exporter)],
        resource=resource.merge(OTELResourceDetector().detect()),
        # What is left is sent at the end of a run; a process that is ended waits for nobody.
        shutdown_on_exit=False,
    )


def _make_instruments(provider: "MeterProvider") -> _Instruments:
    meter: Meter = provider.get_meter("truto_groups", read_version())
    return _Instruments(
        provider,
        accounts=meter.create_gauge("truto_groups.accounts", "{account}", "Accounts in a state."),
        lag=meter.create_gauge(
            "truto_groups.lag", "s", "Age of the oldest confirmation of an account that is synced."
        ),
        syncs=meter.create_counter("truto_groups.syncs", "{sync}", "Attempts to sync an account."),
        requests=meter.create_counter("truto_groups.requests", "{request}", "Requests to Truto."),
        retries=meter.create_counter("truto_groups.retries", "{request}", "Requests sent again."),
        throttled=meter.create_counter(
            "truto_groups.throttled", "s", "Waited because Truto or an app asked to slow down."
        ),
        turns=meter.create_histogram(
            "truto_groups.turn.wait", "s", "Waited for the turn with the database."
        ),
        publications=meter.create_histogram(
            "truto_groups.publication.duration", "s", "Publishing accounts, from turn to commit."
        ),
        runs=meter.create_histogram("truto_groups.run.duration", "s", "Refreshes, by their end."),
    )
