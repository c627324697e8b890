"""The clients that Truto's own page of List Groups shows read the sandbox unchanged.

The vendor's Python client, curl, requests and ``fetch`` of Node, each as that page uses it, with
the base URL exchanged. One that is not installed here is skipped and says so.
"""

import asyncio
import json
import shutil
import subprocess
from typing import Any

import pytest

from truto_groups.sandbox import sample_account, sample_accounts
from truto_groups.sandbox.week import LAST_DAY

ASANA_ORGANIZATION = "1200745632091177"
READABLE = [
    account
    for account in sample_accounts()
    if account.status == "active"
    and account.integration.has_groups
    and account.integration.shorten is None
]
FETCH = """
const [baseUrl, token, integratedAccountId] = process.argv.slice(1);
const groups = [];
let cursor = null;
do {
  const query = new URLSearchParams({ integrated_account_id: integratedAccountId });
  if (cursor) query.set("next_cursor", cursor);
  const response = await fetch(`${baseUrl}/unified/user-directory/groups?${query}`, {
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
  });
  const page = await response.json();
  groups.push(...page.result);
  cursor = page.next_cursor;
} while (cursor);
console.log(JSON.stringify(groups));
"""


def expect(account: Any) -> list[Any]:
    groups = account.groups_at(1)
    if account.integration.slug == "asana":
        return [group for group in groups if group["organization"] == ASANA_ORGANIZATION]
    return list(groups)


def query_of(account: Any) -> dict[str, Any]:
    query = {"integrated_account_id": account.id}
    if account.integration.slug == "asana":
        query["organization_id"] = ASANA_ORGANIZATION
    return query


def test_the_vendors_python_client_reads_every_account(samples: Any) -> None:
    reason = "truto-python-sdk is not installed: it needs Python 3.12 or newer"
    sdk = pytest.importorskip("truto_python_sdk.truto_api", reason=reason)

    async def read() -> None:
        truto_api = sdk.TrutoApi(samples.server.token, base_url=samples.server.base_url)
        for account in READABLE:
            groups = [
                group
                async for group in truto_api.unified_api.list(
                    "user-directory", "groups", query_of(account)
                )
            ]
            assert groups == expect(account), account.context["label"]
        accounts = await truto_api.integrated_accounts.list(limit=4).to_array()
        assert [row["id"] for row in accounts] == [account.id for account in sample_accounts()]
        partial = sample_account("jfrog")
        for group in partial.groups_at(1):
            if "/" not in group["id"] and "+" not in group["id"]:
                query = {"integrated_account_id": partial.id}
                got = await truto_api.unified_api.get(
                    "user-directory", "groups", group["id"], query
                )
                assert got == group
        assert await truto_api.ping() == {"message": "pong"}

    asyncio.run(read())


def test_the_vendors_python_client_sends_nested_parameters_and_arrays_that_are_understood(
    samples: Any,
) -> None:
    reason = "truto-python-sdk is not installed: it needs Python 3.12 or newer"
    sdk = pytest.importorskip("truto_python_sdk.truto_api", reason=reason)

    async def read(query: dict[str, Any]) -> list[dict[str, Any]]:
        truto_api = sdk.TrutoApi(samples.server.token, base_url=samples.server.base_url)
        return await truto_api.unified_api.list("user-directory", "groups", query).to_array()

    gitlab = sample_account("gitlab")
    query = {
        "integrated_account_id": gitlab.id,
        "remote_query": {"visibility": "private"},
        "truto_exclude_fields": ["remote_data", "description"],
        "limit": 1,
    }
    private = [
        group["id"]
        for group in gitlab.groups_at(1)
        if group["remote_data"]["visibility"] == "private"
    ]
    read_groups = asyncio.run(read(query))
    assert [group["id"] for group in read_groups] == private
    assert read_groups[0].keys() == {"id", "name", "group_type", "created_at"}


def test_curl_reads_every_account(samples: Any) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")

    def get(parameters: dict[str, Any]) -> dict[str, Any]:
        data = [
            argument
            for name, value in parameters.items()
            for argument in ("--data-urlencode", f"{name}={value}")
        ]
        command = [
            curl,
            "--silent",
            "--show-error",
            "--fail",
            "--compressed",
            "--noproxy",
            "*",
            "--get",
            f"{samples.server.base_url}/unified/user-directory/groups",
            "--header",
            f"Authorization: Bearer {samples.server.token}",
            "--header",
            "Content-Type: application/json",
            *data,
        ]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    for account in READABLE:
        query = query_of(account) | {"limit": 500}
        page = get(query)
        groups = page["result"]
        while page["next_cursor"]:
            page = get(query | {"next_cursor": page["next_cursor"]})
            groups += page["result"]
        assert groups == expect(account), account.context["label"]


def test_requests_reads_every_account(samples: Any) -> None:
    requests = pytest.importorskip("requests", reason="requests is not installed")
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {samples.server.token}"
        for account in READABLE:
            query, groups = query_of(account), []
            while True:
                url = f"{samples.server.base_url}/unified/user-directory/groups"
                page = session.get(url, params=query, timeout=10).json()
                groups += page["result"]
                if not page["next_cursor"]:
                    break
                query["next_cursor"] = page["next_cursor"]
            assert groups == expect(account), account.context["label"]


def test_fetch_of_node_reads_an_account_to_its_end(samples: Any) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    account = sample_account("launchdarkly")
    command = [node, "--input-type=module", "--eval", FETCH]
    arguments = [samples.server.base_url, samples.server.token, account.id]
    done = subprocess.run([*command, *arguments], check=True, capture_output=True, timeout=30)
    assert json.loads(done.stdout) == expect(account)


def test_the_vendors_python_client_reads_each_day_of_the_week(samples: Any) -> None:
    reason = "truto-python-sdk is not installed: it needs Python 3.12 or newer"
    sdk = pytest.importorskip("truto_python_sdk.truto_api", reason=reason)

    async def read() -> None:
        truto_api = sdk.TrutoApi(samples.server.token, base_url=samples.server.base_url)
        for day in range(1, LAST_DAY + 1):
            samples.get("/sandbox/week", f"at=2026-03-{day:02d}T12:00:00Z", method="POST")
            accounts = await truto_api.integrated_accounts.list(limit=4).to_array()
            served = samples.server.accounts
            assert [row["id"] for row in accounts] == [account.id for account in served]
            for account in served:
                if account.integration.slug in ("okta", "gitlab", "jira", "fivetran"):
                    groups = [
                        group
                        async for group in truto_api.unified_api.list(
                            "user-directory", "groups", query_of(account)
                        )
                    ]
                    assert groups == expect(account), account.context["label"]

    asyncio.run(read())
