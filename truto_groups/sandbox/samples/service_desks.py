"""Accounts of service desks: ServiceNow, Freshservice, Opsgenie; and Zendesk, without groups."""

from datetime import timedelta
from typing import Any

from truto_groups.sandbox.samples.made_up import (
    HEX,
    draw_instant,
    draw_number,
    draw_text,
    draw_uuid,
    format_iso,
)
from truto_groups.sandbox.served_accounts import Account, make_account

_Group = dict[str, Any]

SERVICENOW_GROUPS = 1_200


def list_accounts() -> list[Account]:
    """One of each; ServiceNow is the large one."""
    return [_servicenow(), _freshservice(), _opsgenie(), _zendesk()]


def _servicenow() -> Account:
    """Dates without a zone, booleans as text, references that are an object or an empty text."""
    areas = ("Network", "Database", "Desktop", "Hardware", "Software", "Facilities", "Payroll")
    first = [_servicenow_group(at, areas[at % len(areas)]) for at in range(SERVICENOW_GROUPS)]
    second = [*first[:40], *first[41:]]
    for at in (7, 300, 900):
        second[at] = _renamed_servicenow_group(second[at])
    second += [_servicenow_group(SERVICENOW_GROUPS + at, "Cloud") for at in range(2)]
    return make_account(
        "c5a1e304-26d8-47d9-9c4e-082647d3e518",
        first,
        second,
        integration="servicenow",
        tenant_id="umbrella",
        context={"label": "umbrella servicenow", "subdomain": "umbrella"},
        created_at="2024-12-03T08:00:00.000Z",
    )


def _servicenow_group(number: int, area: str) -> _Group:
    seed = f"servicenow/{number}"
    created = draw_instant(seed)
    updated = created + timedelta(days=draw_number(seed + "u", 0, 60))
    manager = draw_text(f"manager/{number % 40}", 32, alphabet=HEX)
    url = f"https://umbrella.service-now.com/api/now/table/sys_user/{manager}"
    remote_data = {
        "sys_id": draw_text(seed, 32, alphabet=HEX),
        "name": f"{area} L{1 + number % 3} {number:04d}",
        "description": f"{area} requests" if number % 4 else "",
        "active": "true" if number % 50 else "false",
        "type": "",
        "email": f"{area.lower()}-{number:04d}@umbrella.example",
        "manager": {"link": url, "value": manager} if number % 5 else "",
        "parent": "",
        "sys_created_on": created.strftime("%Y-%m-%d %H:%M:%S"),
        "sys_created_by": "admin",
        "sys_updated_on": updated.strftime("%Y-%m-%d %H:%M:%S"),
        "sys_mod_count": str(draw_number(seed + "m", 0, 30)),
    }
    return _unify_servicenow(remote_data)


def _renamed_servicenow_group(group: _Group) -> _Group:
    remote_data = group["remote_data"]
    renamed = {"name": f"{remote_data['name']} (EU)", "sys_updated_on": "2025-11-21 10:04:00"}
    return _unify_servicenow({**remote_data, **renamed})


def _unify_servicenow(remote_data: _Group) -> _Group:
    return {
        "id": remote_data["sys_id"],
        "name": remote_data["name"],
        "group_type": "group",
        "created_at": remote_data["sys_created_on"],
        "updated_at": remote_data["sys_updated_on"],
        "description": remote_data["description"],
        "remote_data": remote_data,
    }


def _freshservice() -> Account:
    """Some groups lack fields that others have."""
    names = ("Hardware Team", "Database Team", "Capacity Management", "Incident Team", "Purchasing")
    return make_account(
        "d6b2f415-37e9-48ea-8d5f-193758e4f619",
        [_freshservice_group(name) for name in names],
        integration="freshservice",
        tenant_id="initech",
        authentication_method="api_key",
        context={"label": "initech freshservice"},
        created_at="2024-11-06T12:00:00.000Z",
    )


def _freshservice_group(name: str) -> _Group:
    seed = f"freshservice/{name}"
    number = draw_number(seed, 14_000_000_000, 14_999_999_999)
    created = format_iso(draw_instant(seed)).replace(".000Z", "Z")
    remote_data: _Group = {
        "id": number,
        "name": name,
        "description": f"{name} of Initech",
        "escalate_to": None,
        "unassigned_for": "30m" if name == "Incident Team" else None,
        "business_hours_id": None,
        "created_at": created,
        "updated_at": created,
        "auto_ticket_assign": False,
        "restricted": name == "Purchasing",
        "approval_required": False,
        "members": [number - at for at in (1, 2, 3)],
        "observers": [],
        "leaders": [number - 1],
    }
    group = {
        "id": str(number),
        "name": name,
        "group_type": "team",
        "created_at": created,
        "updated_at": created,
        "description": remote_data["description"],
        "remote_data": remote_data,
    }
    if name == "Purchasing":
        del group["description"], group["updated_at"]
    return group


def _opsgenie() -> Account:
    rows = (
        ("Ops", "Operations of Globex", "team"),
        ("Payments on-call", "", "team"),
        ("Operations Directors", "Escalations end here", "department"),
        ("Mobile App", "Owners of the app", "product"),
    )
    groups = [
        {
            "id": team_id,
            "name": name,
            "group_type": group_type,
            "description": description,
            "remote_data": {
                "id": team_id,
                "name": name,
                "description": description,
                "links": {
                    "web": f"https://app.opsgenie.com/teams/dashboard/{team_id}/main",
                    "api": f"https://api.opsgenie.com/v2/teams/{team_id}?identifierType=id",
                },
            },
        }
        for name, description, group_type in rows
        for team_id in (draw_uuid(f"opsgenie/{name}"),)
    ]
    return make_account(
        "e7c30526-48fa-49fb-9e60-2a4869f50720",
        groups,
        integration="opsgenie",
        tenant_id="globex",
        authentication_method="api_key",
        context={"label": "globex opsgenie"},
        created_at="2024-10-13T06:45:00.000Z",
    )


def _zendesk() -> Account:
    return make_account(
        "f8d41637-590b-4a0c-af71-3b597a061821",
        integration="zendesk",
        tenant_id="acme",
        context={"label": "acme zendesk", "subdomain": "acme"},
        created_at="2024-09-02T08:40:00.000Z",
    )
