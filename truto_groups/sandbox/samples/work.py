"""Accounts of apps where people work together: Jira, Slack, Asana, 15Five, Help Scout."""

from datetime import UTC, timedelta
from typing import Any

from truto_groups.sandbox.samples.made_up import (
    CAPITALS,
    draw_choice,
    draw_instant,
    draw_number,
    draw_text,
    draw_uuid,
)
from truto_groups.sandbox.served_accounts import Account, make_account

_Group = dict[str, Any]

ASANA_ORGANIZATIONS = ("1200745632091177", "1201998104453320")


def list_accounts() -> list[Account]:
    """One of each; Help Scout has no teams."""
    return [_jira(), _slack(), _asana(), _fifteen_five(), _help_scout()]


def _jira() -> Account:
    """Groups with nothing but an id and a name."""
    names = [
        "jira-administrators-acme",
        "jira-software-users-acme",
        "org-admins",
        "site-admins",
        "system-administrators",
        "confluence-users-acme",
    ]
    names += [
        f"{project}-{role}"
        for project in (
            "atlas",
            "borealis",
            "cobalt",
            "delta",
            "ember",
            "fjord",
            "granite",
            "helix",
        )
        for role in ("admins", "developers", "reporters", "viewers", "approvers", "guests", "qa")
    ]
    groups = [
        {"id": group_id, "name": name, "remote_data": {"name": name, "groupId": group_id}}
        for name in names
        for group_id in (draw_uuid(f"jira/{name}"),)
    ]
    return make_account(
        "1a9c3e5f-7b2d-4c8e-a1f3-5d7b9c1e3a07",
        groups,
        integration="jira",
        tenant_id="acme",
        context={"label": "acme jira", "subdomain": "acme"},
        created_at="2024-09-02T08:10:00.000Z",
    )


_SLACK_GROUPS = (
    ("Marketing gurus", "marketing-gurus", "Marketing gurus, PR experts and product advocates"),
    ("On-call Engineers", "oncall", "Paged first"),
    ("Design", "design", ""),
    ("Workspace Admins", "admins", "All admins of the workspace"),
    ("Office Zürich 🏔", "office-zrh", "Alle im Büro"),
    ("Interns 2023", "interns-2023", "Left in September"),
)


def _slack() -> Account:
    """Epoch seconds where others send ISO 8601."""
    return make_account(
        "2b8d4f6a-8c3e-4d9f-b2a4-6e8cad2f4b08",
        [_slack_group(*row) for row in _SLACK_GROUPS],
        integration="slack",
        tenant_id="acme",
        context={"label": "acme slack", "team_id": "T0614TZR1"},
        created_at="2024-09-02T08:25:00.000Z",
    )


def _slack_group(name: str, handle: str, description: str) -> _Group:
    seed = f"slack/{handle}"
    created = draw_instant(seed)
    updated = created + timedelta(days=draw_number(seed + "u", 1, 150))
    group_id = f"S{draw_text(seed, 10, alphabet=CAPITALS)}"
    creator = f"U{draw_text(seed + 'c', 10, alphabet=CAPITALS)}"
    deleted = int(updated.timestamp()) if handle == "interns-2023" else 0
    remote_data: _Group = {
        "id": group_id,
        "team_id": "T0614TZR1",
        "is_usergroup": True,
        "is_subteam": True,
        "name": name,
        "description": description,
        "handle": handle,
        "is_external": False,
        "date_create": int(created.timestamp()),
        "date_update": int(updated.timestamp()),
        "date_delete": deleted,
        "auto_type": "admin" if handle == "admins" else None,
        "auto_provision": False,
        "enterprise_subteam_id": "",
        "created_by": creator,
        "updated_by": creator,
        "deleted_by": creator if deleted else None,
        "prefs": {"channels": [], "groups": []},
        "user_count": str(draw_number(seed + "n", 2, 60)),
    }
    return {
        "id": group_id,
        "name": name,
        "group_type": "group",
        "created_at": remote_data["date_create"],
        "updated_at": remote_data["date_update"],
        "description": description,
        "remote_data": remote_data,
    }


def _asana() -> Account:
    """Lists the teams of one organization only, so that a sync asks once for each."""
    teams = (
        ("Marketing", "Launch calendar", "Brand", "Web", "Events", "Field Marketing"),
        ("Research", "Lab Operations", "Grants"),
    )
    groups = [
        _asana_team(organization, at, name)
        for at, organization in enumerate(ASANA_ORGANIZATIONS)
        for name in teams[at]
    ]
    return make_account(
        "3c7e5a7b-9d4f-4ea0-83b5-7f9dbe3a5c09",
        groups,
        integration="asana",
        tenant_id="globex",
        context={"label": "globex asana"},
        created_at="2024-10-12T14:00:00.000Z",
    )


def _asana_team(organization: str, at: int, name: str) -> _Group:
    seed = f"asana/{organization}/{name}"
    gid = f"120{draw_number(seed, 10**12, 10**13 - 1)}"
    description = f"<body>{name} of Globex</body>" if draw_number(seed + "d", 0, 1) else ""
    remote_data: _Group = {
        "gid": gid,
        "resource_type": "team",
        "name": name,
        "description": description,
        "organization": {
            "gid": organization,
            "name": ("Globex", "Globex Research")[at],
            "resource_type": "workspace",
        },
        "permalink_url": f"https://app.asana.com/0/{gid}",
        "visibility": draw_choice(seed + "v", ("public", "request_to_join", "secret")),
    }
    return {
        "id": gid,
        "name": name,
        "group_type": "team",
        "description": description,
        "organization": organization,
        "remote_data": remote_data,
    }


def _fifteen_five() -> Account:
    """A list gives id and name only; the rest is in Get Group."""
    rows = (
        ("Company", "All", None),
        ("Customer Success", "Department", "department"),
        ("Research & Development", "Department", "department"),
        ("Site Reliability", "Team", "team"),
        ("Office Raccoon City", "Location", "group"),
    )
    return make_account(
        "4d6f6b8c-ae50-4fb1-94c6-80aecf4b6d10",
        [_fifteen_five_group(3100 + at, *row) for at, row in enumerate(rows)],
        integration="15five",
        tenant_id="umbrella",
        authentication_method="api_key",
        context={"label": "umbrella 15five"},
        created_at="2024-12-01T10:05:00.000Z",
    )


def _fifteen_five_group(number: int, name: str, kind: str, group_type: str | None) -> _Group:
    api = "https://my.15five.com/api/public"
    created = draw_instant(f"15five/{number}").astimezone(UTC)
    remote_data: _Group = {
        "id": number,
        "name": name,
        "group_type": {
            "id": 40 + len(kind),
            "name": kind,
            "url": f"{api}/group-type/{40 + len(kind)}/",
        },
        "members": [f"{api}/user/{number + at}/" for at in range(3)],
        "members_count": 3,
        "group_leaders": [],
        "create_ts": created.isoformat(),
        "update_ts": created.isoformat(),
    }
    group = {"id": str(number), "name": name, "created_at": remote_data["create_ts"]}
    # "All" maps to nothing: the field is left out, not null.
    typed = {} if group_type is None else {"group_type": group_type}
    updated = {"updated_at": remote_data["update_ts"], "description": None}
    return {**group, **typed, **updated, "remote_data": remote_data}


def _help_scout() -> Account:
    return make_account(
        "5e5a7c9d-bf61-40c2-85d7-91bfd05c7e11",
        integration="helpscout",
        tenant_id="globex",
        context={"label": "globex help scout"},
        created_at="2025-02-20T11:00:00.000Z",
    )
