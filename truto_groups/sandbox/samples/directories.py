"""Accounts of directories and password managers: Okta, JumpCloud, OneLogin, Bitwarden."""

from datetime import timedelta
from typing import Any

from truto_groups.sandbox import error_bodies
from truto_groups.sandbox.samples.made_up import (
    BASE62,
    HEX,
    draw_instant,
    draw_number,
    draw_text,
    draw_uuid,
    format_iso,
)
from truto_groups.sandbox.served_accounts import Account, make_account

_Group = dict[str, Any]


def list_accounts() -> list[Account]:
    """Two of Okta, one of each other; OneLogin waits to be connected again."""
    return [_okta(), _okta_preview(), _jumpcloud(), _onelogin(), _bitwarden()]


_OKTA_GROUPS = (
    ("Everyone", "All users in your organization", "BUILT_IN"),
    ("Okta Administrators", "Okta manages this group", "BUILT_IN"),
    ("Engineering", "Everyone who ships code", "OKTA_GROUP"),
    ("Platform", None, "OKTA_GROUP"),
    ("Product", "Product managers and designers", "OKTA_GROUP"),
    ("Sales - EMEA", "Account executives, EMEA", "OKTA_GROUP"),
    ("Sales - Americas", "Account executives, Americas", "OKTA_GROUP"),
    ("Customer Support", "Tier 1 and tier 2", "OKTA_GROUP"),
    ("Finance", "", "OKTA_GROUP"),
    ("People Ops", None, "OKTA_GROUP"),
    ("Legal", None, "OKTA_GROUP"),
    ("Contractors", "Access ends with the contract", "OKTA_GROUP"),
    ("AWS-Production-ReadOnly", "Pushed from acme.com AD", "APP_GROUP"),
    ("AWS-Production-Admin", "Pushed from acme.com AD", "APP_GROUP"),
    ("Zürich Büro", "Standort Zürich", "OKTA_GROUP"),
)


def _okta() -> Account:
    first = [_okta_group("acme", *row) for row in _OKTA_GROUPS]
    second = [group for group in first if group["name"] != "Contractors"]
    at = next(index for index, group in enumerate(second) if group["name"] == "Platform")
    second[at] = _renamed_okta_group(second[at], "Platform Engineering")
    second.append(_okta_group("acme", "Security", "Detection and response", "OKTA_GROUP"))
    return make_account(
        "0b6f1c52-8f0e-4d5b-9a63-5f4f0f7a1c01",
        first,
        second,
        integration="okta",
        tenant_id="acme",
        context={"label": "acme okta", "subdomain": "acme"},
        created_at="2024-09-01T10:00:00.000Z",
        updated_at="2025-10-02T07:15:21.000Z",
    )


def _okta_preview() -> Account:
    # A preview tenant is a copy: its groups have the ids of the other account's.
    return make_account(
        "5c0a9d38-3b7e-4a55-8b1d-2f6f9a0e2c02",
        [_okta_group("acme", *row) for row in _OKTA_GROUPS[:6]],
        integration="okta",
        tenant_id="acme",
        is_sandbox=True,
        context={"label": "acme okta preview", "subdomain": "acme-preview"},
        created_at="2024-09-03T12:30:00.000Z",
    )


def _okta_group(tenant: str, name: str, description: str | None, kind: str) -> _Group:
    seed = f"okta/{tenant}/{name}"
    group_id = f"00g{draw_text(seed, 17, alphabet=BASE62)}"
    created = draw_instant(seed)
    updated = created + timedelta(days=draw_number(seed + "u", 0, 200))
    url = f"https://{tenant}.okta.com/api/v1/groups/{group_id}"
    remote_data = {
        "id": group_id,
        "created": format_iso(created),
        "lastUpdated": format_iso(updated),
        "lastMembershipUpdated": format_iso(updated + timedelta(days=3)),
        "objectClass": ["okta:user_group"],
        "type": kind,
        "profile": {"name": name, "description": description},
        "_links": {
            "logo": [{"name": "medium", "href": f"{url}/logo.png", "type": "image/png"}],
            "users": {"href": f"{url}/users"},
            "apps": {"href": f"{url}/apps"},
        },
    }
    return _unify_okta(remote_data)


def _renamed_okta_group(group: _Group, name: str) -> _Group:
    remote_data = group["remote_data"]
    profile = {**remote_data["profile"], "name": name}
    updated = "2025-11-20T09:30:00.000Z"
    return _unify_okta({**remote_data, "profile": profile, "lastUpdated": updated})


def _unify_okta(remote_data: _Group) -> _Group:
    return {
        "id": remote_data["id"],
        "name": remote_data["profile"]["name"],
        "group_type": "group",
        "created_at": remote_data["created"],
        "updated_at": remote_data["lastUpdated"],
        "description": remote_data["profile"]["description"],
        "remote_data": remote_data,
    }


def _jumpcloud() -> Account:
    """Types that Truto's mapping does not know come through as the vendor calls them."""
    users = ("All Users", "Engineering", "Finance", "Interns", "IT Admins", "VPN Access")
    systems = ("MacBooks", "Linux Servers", "Kiosks")
    groups = [_jumpcloud_group(name, "user_group") for name in users]
    groups += [_jumpcloud_group(name, "system_group") for name in systems]
    return make_account(
        "c1f7c0de-4e5c-4b1a-8f73-9b2d6a3e4d03",
        groups,
        integration="jumpcloud",
        tenant_id="globex",
        authentication_method="api_key",
        context={"label": "globex jumpcloud"},
        created_at="2024-10-11T08:00:00.000Z",
    )


def _jumpcloud_group(name: str, kind: str) -> _Group:
    seed = f"jumpcloud/{name}"
    is_users = kind == "user_group"
    remote_data: _Group = {
        "id": draw_text(seed, 24, alphabet=HEX),
        "type": kind,
        "name": name,
        "description": f"{name} of Globex" if draw_number(seed + "d", 0, 2) else "",
        "email": "",
        "attributes": {"sudo": {"enabled": name == "IT Admins", "withoutPassword": False}},
        "memberQueryExemptions": [],
        "memberSuggestionsNotify": False,
        "membershipMethod": "STATIC",
    }
    if is_users:
        remote_data["suggestionCounts"] = {"add": 0, "remove": 0, "total": 0}
    return {
        "id": remote_data["id"],
        "name": name,
        "group_type": kind,
        "description": remote_data["description"],
        "remote_data": remote_data,
    }


def _onelogin() -> Account:
    raw = {"message": "Unauthorized", "name": "UnauthorizedError", "statusCode": 401}
    groups = [
        {
            "id": str(number),
            "name": name,
            "group_type": "group",
            "remote_data": {"id": number, "name": name, "reference": None},
        }
        for number, name in ((418203, "Default"), (418204, "Warehouse"), (418391, "Drivers"))
    ]
    return make_account(
        "d4f5a8b0-6a0c-4c1f-9c8e-7a1b2c3d4e04",
        groups,
        integration="onelogin",
        tenant_id="initech",
        status="needs_reauth",
        last_error="The refresh token was revoked.",
        failure=error_bodies.needs_reauth(raw_response=raw),
        authentication_method="oauth2_client_credentials",
        context={"label": "initech onelogin"},
        created_at="2024-11-05T16:45:10.000Z",
        updated_at="2025-11-18T03:12:44.000Z",
    )


def _bitwarden() -> Account:
    """The first page is empty though more follow: the vendor leaves out after it has counted."""
    names = ("Leadership", "Finance vault", "On-call", "Marketing", "Contract staff")
    groups = [
        {
            "id": draw_uuid(f"bitwarden/{name}"),
            "name": name,
            "group_type": "group",
            "remote_data": {
                "object": "group",
                "id": draw_uuid(f"bitwarden/{name}"),
                "name": name,
                "externalId": None if name == "On-call" else f"umbrella-{name[:3].lower()}",
                "collections": [
                    {
                        "id": draw_uuid(f"bitwarden/collection/{name}"),
                        "readOnly": name == "Contract staff",
                        "hidePasswords": name == "Contract staff",
                        "manage": False,
                    }
                ],
            },
        }
        for name in names
    ]
    return make_account(
        "e8a2f4b6-9d1c-4e7a-8b5f-1c3d5e7f9a05",
        groups,
        integration="bitwarden",
        tenant_id="umbrella",
        authentication_method="oauth2_client_credentials",
        empty_pages=frozenset({1}),
        context={"label": "umbrella bitwarden"},
        created_at="2024-12-01T09:20:00.000Z",
    )
