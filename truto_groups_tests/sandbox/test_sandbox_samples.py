"""The accounts of the demo: what they must show, and that nothing of them is lost on the way."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from truto_groups.sandbox import SETTINGS_PATH, sample_account, sample_accounts

SYNCABLE = [
    account
    for account in sample_accounts()
    if account.status == "active" and account.integration.has_groups
]


def list_queries(slug: str) -> list[str]:
    """The queries that the settings of the demo make of an integration."""
    settings = yaml.safe_load(SETTINGS_PATH.read_text())
    query = settings["integrations"].get(slug, {}).get("query", {})
    return [f"{name}={value}" for name, values in query.items() for value in values] or [""]


@pytest.mark.parametrize("account", SYNCABLE, ids=lambda account: account.context["label"])
def test_every_active_account_is_read_without_loss_with_the_settings_of_the_demo(
    samples: Any, account: Any
) -> None:
    for refresh in (1, 2, 3):
        read = [
            group
            for query in list_queries(account.integration.slug)
            for group in samples.all_groups(account.id, query)
        ]
        expected = account.groups_at(refresh)
        if account.integration.shorten is not None:
            assert all(not group.keys() - {"id", "name", "remote_data"} for group in read)
            read = [samples.group(account.id, group["id"]).json for group in read]
        assert samples.server.refresh_of(account.id) == min(refresh, len(account.refreshes))
        assert sorted(read, key=lambda group: str(group["id"])) == sorted(
            expected, key=lambda group: str(group["id"])
        )


def test_there_are_fifteen_syncable_integrations_over_several_tenants_with_ids_of_their_own() -> (
    None
):
    assert len({account.integration.slug for account in SYNCABLE}) >= 15
    assert len({account.tenant_id for account in sample_accounts()}) >= 4
    ids = [uuid.UUID(account.id) for account in sample_accounts()]
    assert len(set(ids)) == len(ids)


def test_none_of_the_sources_is_an_app_whose_groups_truto_does_not_list() -> None:
    slugs = {account.integration.slug for account in SYNCABLE}
    assert not slugs & {"zendesk", "googleworkspace", "entra", "github"}


def test_fields_that_are_filled_are_declared() -> None:
    for account in SYNCABLE:
        declared = {*account.integration.fields, "remote_data"}
        for group in account.groups_at(1):
            assert group.keys() <= declared, account.context["label"]


def test_ids_are_unique_inside_an_account_but_not_over_accounts() -> None:
    for account in SYNCABLE:
        for refresh in (1, 2):
            ids = [group["id"] for group in account.groups_at(refresh)]
            assert len(set(ids)) == len(ids)
    okta, preview = sample_account("acme okta"), sample_account("acme okta preview")
    assert {g["id"] for g in preview.groups_at(1)} < {g["id"] for g in okta.groups_at(1)}


def test_time_renames_adds_and_removes_a_group_in_okta() -> None:
    first, second = (
        {group["id"]: group["name"] for group in sample_account("acme okta").groups_at(refresh)}
        for refresh in (1, 2)
    )
    assert {first[key] for key in first.keys() - second.keys()} == {"Contractors"}
    assert {second[key] for key in second.keys() - first.keys()} == {"Security"}
    renamed = {(first[key], second[key]) for key in first.keys() & second.keys()}
    assert {pair for pair in renamed if pair[0] != pair[1]} == {
        ("Platform", "Platform Engineering")
    }


def test_time_adds_a_group_in_gitlab_and_moves_several_in_servicenow() -> None:
    gitlab, servicenow = sample_account("gitlab"), sample_account("servicenow")
    assert [g["name"] for g in gitlab.groups_at(2)[len(gitlab.groups_at(1)) :]] == [
        "Incident Review"
    ]
    first, second = (
        {group["id"]: group["name"] for group in servicenow.groups_at(refresh)}
        for refresh in (1, 2)
    )
    assert len(first.keys() - second.keys()) == 1
    assert len(second.keys() - first.keys()) == 2
    assert sum(first[key] != second[key] for key in first.keys() & second.keys()) == 3


def test_filters_on_instants_read_the_epoch_milliseconds_of_vercel(samples: Any) -> None:
    vercel = sample_account("vercel")
    groups = sorted(vercel.groups_at(1), key=lambda group: group["created_at"])
    middle = datetime.fromtimestamp(groups[1]["created_at"] / 1000, UTC)
    query = f"created_at[gte]={middle:%Y-%m-%dT%H:%M:%S}Z"
    read = samples.all_groups(vercel.id, query)
    assert {group["id"] for group in read} == {group["id"] for group in groups[1:]}


def test_one_account_drifts_softly_at_its_second_refresh() -> None:
    account = sample_account("launchdarkly")
    for before, after in zip(account.groups_at(1), account.groups_at(2), strict=True):
        assert after.keys() - before.keys() == {"is_synced_from_idp"}
        same = before.keys() - {"remote_data"}
        assert {name: after[name] for name in same} == {name: before[name] for name in same}
        assert isinstance(before["remote_data"]["_version"], int)
        assert isinstance(after["remote_data"]["_version"], str)


def test_the_quirks_that_the_samples_are_for_are_there() -> None:
    def groups(name: str) -> Any:
        return sample_account(name).groups_at(1)

    assert len(groups("servicenow")) == 1_200
    assert len(groups("helpscout")) == 0
    assert all(type(group["id"]) is int for group in groups("trutotest"))
    assert {group["group_type"] for group in groups("jumpcloud")} == {"user_group", "system_group"}
    assert all(type(group["created_at"]) is int for group in groups("slack"))
    assert all(group["created_at"] > 10**12 for group in groups("vercel"))
    assert all(group.keys() == {"id", "name", "remote_data"} for group in groups("jira"))
    assert len({frozenset(group) for group in groups("freshservice")}) == 2
    assert {group["organization"] for group in groups("asana")} == {
        query.removeprefix("organization_id=") for query in list_queries("asana")
    }
    assert "ci/deployers" in {group["id"] for group in groups("jfrog")}


def test_one_account_pages_through_an_empty_page(samples: Any) -> None:
    pages = samples.pages(sample_account("bitwarden").id)
    assert [len(page["result"]) for page in pages] == [0, 5]
