"""The page of the checks, watched, and what a person presses there: asked as the UI asks it."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from truto_groups_tests.defs.served import ask, wait_for

_ASSETS = ("groups", "group_type_breakdown", "integration_contracts")
_SHOWN = """query Shown($keys: [AssetKeyInput!]!) { assetNodes(assetKeys: $keys) {
    assetChecksOrError { ... on AssetChecks { checks { name jobNames assetKey { path }
        executionForLatestMaterialization { runId status
            evaluation { success metadataEntries { label } } } } } } } }"""
_LAUNCH = """mutation Launch($params: ExecutionParams!) { launchPipelineExecution(
    executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message } } }"""
_BACKFILL = """mutation Backfill($params: LaunchBackfillParams!) { launchPartitionBackfill(
    backfillParams: $params) { __typename ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message } } }"""
_TERMINATE = """mutation Terminate($run: String!) { terminateRun(runId: $run,
    terminatePolicy: SAFE_TERMINATE) { __typename } }"""


class Page:
    """The page of the checks, of which all are to be shown, looked at again and again.

    Attributes:
        hidden: What was not shown, and what was there instead.
        looks: How often it was looked at.
    """

    def __init__(self, port: int, names: Collection[str]) -> None:
        self.port = port
        self.hidden: list[str] = []
        self._names = names
        self.looks = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def look(self) -> dict[str, Any]:
        """Each check as the page shows it."""
        keys = [{"path": [name]} for name in _ASSETS]
        nodes = ask(self.port, _SHOWN, keys=keys)["assetNodes"]
        return {one["name"]: one for node in nodes for one in node["assetChecksOrError"]["checks"]}

    @contextmanager
    def watched(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            self._thread.join()

    def look_again(self, times: int) -> None:
        """Wait until it was looked at so many times more."""
        wanted = self.looks + times
        wait_for("the page is looked at", lambda: self.looks >= wanted)

    def _watch(self) -> None:
        while not self._is_over.wait(0.5):
            self.looks += 1
            try:
                found = self.look()
                self.hidden += [
                    f"{name}: {found.get(name)}"
                    for name in self._names
                    if name not in found or not _is_shown(found[name])
                ]
            except Exception as error:  # noqa: BLE001 - told where the test looks
                self.hidden.append(repr(error))


def _is_shown(check: Mapping[str, Any]) -> bool:
    execution = check["executionForLatestMaterialization"]
    if execution is None or execution["evaluation"] is None:
        return False
    labels = [entry["label"] for entry in execution["evaluation"]["metadataEntries"]]
    return execution["status"] in ("SUCCEEDED", "FAILED") and "failing_accounts" in labels


class Ui:
    """What a person launches by the UI's buttons."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.where = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "truto_groups",
        }

    def launch(self, job: str, *, tags: Mapping[str, str] | None = None) -> str:
        """Launch a job from its page."""
        return self._launch(job, {}, tags or {})

    def materialize(self, *assets: str, tags: Mapping[str, str]) -> str:
        """Press "Materialize": with the assets the UI selects the checks that the job knows."""
        checks = [
            one
            for one in self.page.look().values()
            if "__ASSET_JOB" in one["jobNames"] and one["assetKey"]["path"][0] in assets
        ]
        selection = {"assetSelection": [{"path": [name]} for name in assets]}
        return self._launch("__ASSET_JOB", {**selection, **_select(checks)}, tags)

    def execute(self, name: str) -> str:
        """Press "Execute" on a check's page."""
        check = self.page.look()[name]
        return self._launch(check["jobNames"][0], {"assetSelection": [], **_select([check])}, {})

    def _launch(self, job: str, selection: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        params = {
            "selector": {**self.where, "pipelineName": job, **selection},
            "mode": "default",
            "runConfigData": "{}",
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
        }
        answer = ask(self.page.port, _LAUNCH, params=params)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def backfill(self, *keys: str) -> str:
        """Materialize partitions by a backfill."""
        params = {"assetSelection": [{"path": ["groups"]}], "partitionNames": list(keys)}
        answer = ask(self.page.port, _BACKFILL, params=params)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def terminate(self, run_id: str) -> None:
        """Cancel a run that waits or runs."""
        answer = ask(self.page.port, _TERMINATE, run=run_id)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer


def _select(checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "assetCheckSelection": [
            {"name": one["name"], "assetKey": one["assetKey"]} for one in checks
        ]
    }
