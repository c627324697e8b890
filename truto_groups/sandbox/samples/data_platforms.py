"""Accounts of data platforms: Databricks, Fivetran."""

from truto_groups.sandbox.samples.made_up import draw_number
from truto_groups.sandbox.served_accounts import Account, make_account


def list_accounts() -> list[Account]:
    """One of each."""
    return [_databricks(), _fivetran()]


def _databricks() -> Account:
    """SCIM groups, without dates."""
    names = ("admins", "users", "data-engineers", "data-scientists", "bi-readers")
    groups = [
        {
            "id": number,
            "name": name,
            "group_type": "group",
            "remote_data": {
                "displayName": name,
                "id": number,
                "members": [
                    {"display": f"{name} {at}", "value": f"{at}17", "$ref": f"Users/{at}17"}
                    for at in (1, 2)
                ],
                "meta": {"resourceType": "WorkspaceGroup"},
                "entitlements": [{"value": "workspace-access"}] if name != "bi-readers" else [],
                "groups": [],
                "roles": [],
            },
        }
        for name in names
        for number in (str(draw_number(f"databricks/{name}", 10**14, 10**15 - 1)),)
    ]
    return make_account(
        "a38fc1e2-04b6-45b7-ba2c-e60425b1c316",
        groups,
        integration="databricks",
        tenant_id="umbrella",
        context={"label": "umbrella databricks"},
        created_at="2024-12-02T13:15:00.000Z",
    )


def _fivetran() -> Account:
    groups = [
        {
            "id": team_id,
            "name": name,
            "group_type": "team",
            "description": description,
            "remote_data": {
                "id": team_id,
                "name": name,
                "description": description,
                "role": role,
            },
        }
        for team_id, name, description, role in (
            ("pleading_obesity", "Analysts", "Read the warehouse", "Account Analyst"),
            ("cattishly_crane", "Connectors", None, "Account Administrator"),
        )
    ]
    return make_account(
        "b490d2f3-15c7-46c8-8b3d-f71536c2d417",
        groups,
        integration="fivetran",
        tenant_id="umbrella",
        authentication_method="api_key",
        context={"label": "umbrella fivetran"},
        created_at="2024-12-02T13:40:00.000Z",
    )
