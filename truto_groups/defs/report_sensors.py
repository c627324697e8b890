"""Tell people: of runs that failed, and of checks that turned red or green.

To the tick's log, and to the webhook where one is set. What is told is report/messages.py's; a
message that cannot be posted waits in the sensor's cursor (report/delivery.py), so that no tick
fails because of it.
"""

# Dagster's decorators have parameters that are not typed.
# pyright: reportUnknownMemberType=false

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import dagster as dg

from truto_groups.defs.check_results import say_headline
from truto_groups.defs.checks import CHECK_SPECS
from truto_groups.defs.dagster_internals import WILL_RETRY_TAG, read_events, read_latest_check
from truto_groups.defs.ended_runs import find_ended_runs, find_last_event
from truto_groups.defs.failures import keep_secrets
from truto_groups.defs.integration_contracts import CONTRACT_CHECK_SPECS
from truto_groups.defs.resources import TICK_PATIENCE_SECONDS, GroupsDatabase
from truto_groups.errors import TrutoGroupsError
from truto_groups.report.delivery import Undelivered, deliver, from_plain, to_plain
from truto_groups.report.messages import (
    CheckState,
    FailedAttempt,
    FailedRun,
    Message,
    tell_check_change,
    tell_failed_run,
)
from truto_groups.settings import read_environment
from truto_groups.text.secrecy import redact
from truto_groups.text.visible import show
from truto_groups.text.words import say_count
from truto_groups.truto import post_json
from truto_groups.warehouse.run_queries import read_failures

ALL_CHECKS = [*CHECK_SPECS, *CONTRACT_CHECK_SPECS]

# Dagster ends a tick after 60 s, and forgets what it has told by then.
_SECONDS_OF_POSTING = 30.0
_SECONDS_A_POST = 10.0
_LEVELS = {"passed": logging.INFO, "warn": logging.WARNING}


# Not dg.run_failure_sensor: that sees no run that was started in process, and forgets a failed run
# once its function returned or raised, so that a post that failed could never be tried again.
@dg.sensor(
    name="report_failures",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the accounts that a failed run did not publish, with reasons and advice, to "
    "the log and to the webhook of TRUTO_GROUPS_WEBHOOK_URL. A failure that waits for a person is "
    "told once, until its reason changes.",
)
@keep_secrets
def report_failures(context: dg.SensorEvaluationContext, duckdb: GroupsDatabase) -> dg.SensorResult:
    """Tell the runs that failed since the last tick."""
    cursor = _read_cursor(context.cursor)
    after = cursor.get("after")
    if not isinstance(after, int):
        after = find_last_event(context.instance)
        return _skip("From now on failed runs are told.", {"after": after})
    ended = find_ended_runs(context, after=after, endings=[dg.DagsterEventType.RUN_FAILURE])
    # Of a run that Dagster is about to run again, told is only how that ends.
    failed = [run for run in ended.runs if run.tags.get(WILL_RETRY_TAG) != "true"]
    told = [_tell_run(context, run, duckdb) for run in failed]
    messages = [message for message in told if message is not None]
    waiting, outcome = _send(context, cursor, messages)
    summary = f"{say_count(len(failed), 'failed run')}; {len(messages)} told. {outcome}"
    return _skip(summary, {"after": ended.last_event, "waiting": waiting})


@dg.sensor(
    name="report_check_changes",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells each check that turned red, yellow or green, once, to the log and to the "
    "webhook of TRUTO_GROUPS_WEBHOOK_URL.",
)
@keep_secrets
def report_check_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Tell the checks that turned since the last tick."""
    cursor = _read_cursor(context.cursor)
    kept = cursor.get("states")
    states = cast(dict[str, str], kept) if isinstance(kept, dict) else {}
    messages: list[Message] = []
    for spec in ALL_CHECKS:
        try:
            now = _read_check(context.instance, spec.key)
        except Exception as error:  # noqa: BLE001 - one check must not keep the others untold
            context.log.warning("What %s said cannot be read: %s", spec.name, _say(error))
            continue
        if now is None:
            continue
        message = tell_check_change(now, before=states.get(now.check))
        messages += [message] if message is not None else []
        states[now.check] = now.state
    waiting, outcome = _send(context, cursor, messages)
    summary = f"{len(messages)} of {len(states)} checks turned. {outcome}"
    return _skip(summary, {"states": states, "waiting": waiting})


def _tell_run(
    context: dg.SensorEvaluationContext, run: dg.DagsterRun, duckdb: GroupsDatabase
) -> Message | None:
    """Tell a run; what cannot be read of it keeps neither it nor the runs after it untold."""
    attempts: Sequence[FailedAttempt] = ()
    try:
        database = duckdb.open(patience_seconds=TICK_PATIENCE_SECONDS)
        if database.exists:
            with database.reading() as connection:
                attempts = read_failures(connection, run_id=run.run_id)
    except Exception as error:  # noqa: BLE001 - see above
        context.log.warning(
            "Which accounts run %s concerns cannot be read: %s", run.run_id, _say(error)
        )
    try:
        description = _describe_failure(context.instance, run.run_id)
    except Exception as error:  # noqa: BLE001 - see above
        description = f"Its reason cannot be read: {_say(error)}"
    return tell_failed_run(FailedRun(run.run_id, _name_job(run), description), attempts)


def _say(error: Exception) -> str:
    told = str(error) if isinstance(error, TrutoGroupsError) else f"{type(error).__name__}: {error}"
    return show(redact(told))


def _name_job(run: dg.DagsterRun) -> str:
    if not run.job_name.startswith("__") or not run.asset_selection:
        return run.job_name
    return ", ".join(sorted(key.to_user_string() for key in run.asset_selection))


def _describe_failure(instance: dg.DagsterInstance, run_id: str) -> str:
    """What a run says of its failure: its step's own words, else Dagster's."""
    for event in read_events(instance, run_id, dg.DagsterEventType.STEP_FAILURE):
        data = event.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return data.user_failure_data.description
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            return error.message.strip()
    for event in read_events(instance, run_id, dg.DagsterEventType.RUN_FAILURE):
        if event.message:
            return event.message
    return "It gives no reason; see its log."


def _read_check(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> CheckState | None:
    """What a check said last; None where it has never spoken."""
    latest = read_latest_check(instance, key)
    if latest is None:
        return None
    run_id, said = latest
    return CheckState(
        check=key.name,
        asset=key.asset_key.to_user_string(),
        state="passed" if said.passed else said.severity.value.lower(),
        description=say_headline(said.description or ""),
        run_id=run_id,
    )


def _send(
    context: dg.SensorEvaluationContext, cursor: Mapping[str, Any], messages: Sequence[Message]
) -> tuple[list[dict[str, Any]], str]:
    """Log new messages, then post them and what still waits.

    Returns:
        What waits now, and what became of it in words.
    """
    for message in messages:
        level = _LEVELS.get(message.get("state", "error"), logging.ERROR)
        context.log.log(level, "%s", message["text"])
    waiting = [*from_plain(cursor.get("waiting")), *(Undelivered(one) for one in messages)]
    try:
        url = read_environment(os.environ, cwd=Path.cwd()).webhook_url
    except TrutoGroupsError as error:
        url, problem = "", str(error)
    else:
        problem = ""
    if url is None:
        return [], "No webhook is set."
    began = time.monotonic()
    delivery = deliver(
        waiting,
        lambda one: problem or post_json(url, one, within_seconds=_SECONDS_A_POST),
        is_time_left=lambda: time.monotonic() - began <= _SECONDS_OF_POSTING - _SECONDS_A_POST,
    )
    for message in delivery.given_up:
        context.log.error(
            "This was never posted to the webhook, which failed too often: %s", message["text"]
        )
    if delivery.reason is not None:
        context.log.error(
            "The webhook of TRUTO_GROUPS_WEBHOOK_URL took nothing: %s. Until the next tick "
            "waits: %s.",
            delivery.reason,
            say_count(len(delivery.waiting), "message"),
        )
    outcome = f"{delivery.delivered} posted, {len(delivery.waiting)} wait to be posted."
    return to_plain(delivery.waiting), outcome


def _read_cursor(text: str | None) -> Mapping[str, Any]:
    """Read a cursor; one that a person mangled in the UI starts anew."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _skip(reason: str, cursor: Mapping[str, Any]) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=dg.SkipReason(reason), cursor=json.dumps(cursor))
