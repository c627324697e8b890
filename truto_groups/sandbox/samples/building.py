"""Accounts of apps that software is built with: GitLab, JFrog, LaunchDarkly, Vercel."""

from datetime import timedelta
from typing import Any

from truto_groups.sandbox.samples.made_up import (
    BASE62,
    draw_choice,
    draw_instant,
    draw_number,
    draw_text,
    format_iso,
)
from truto_groups.sandbox.served_accounts import Account, make_account

_Group = dict[str, Any]


def list_accounts() -> list[Account]:
    """One of each; LaunchDarkly drifts at its second refresh."""
    return [_gitlab(), _jfrog(), _launchdarkly(), _vercel()]


def _gitlab() -> Account:
    """Integer ids of the vendor, which the mapping makes text."""
    paths = [("globex", None)]
    paths += [(name, 0) for name in ("platform", "mobile", "data", "security", "docs")]
    paths += [
        (f"{name}-{part}", at) for at, name in ((1, "platform"), (2, "mobile")) for part in "abc"
    ]
    groups = [_gitlab_group(4 + at, name, parent) for at, (name, parent) in enumerate(paths)]
    added = _gitlab_group(4 + len(paths), "incident-review", 0)
    return make_account(
        "6f4b8dae-c072-41d3-96e8-a2c0e16d8f12",
        groups,
        [*groups, added],
        integration="gitlab",
        tenant_id="globex",
        context={"label": "globex gitlab"},
        created_at="2024-10-11T09:30:00.000Z",
    )


def _gitlab_group(number: int, path: str, parent: int | None) -> _Group:
    seed = f"gitlab/{number}"
    created = draw_instant(seed)
    name = path.replace("-", " ").title()
    full_path = path if parent is None else f"globex/{path}"
    remote_data: _Group = {
        "id": number,
        "name": name,
        "path": path,
        "description": "" if draw_number(seed + "d", 0, 1) else f"{name} of Globex",
        "visibility": draw_choice(seed + "v", ("private", "internal", "public")),
        "share_with_group_lock": False,
        "require_two_factor_authentication": True,
        "two_factor_grace_period": 48,
        "lfs_enabled": True,
        "avatar_url": None,
        "web_url": f"https://gitlab.globex.example/groups/{full_path}",
        "request_access_enabled": draw_number(seed + "r", 0, 1) == 1,
        "repository_storage": "default",
        "full_name": name if parent is None else f"Globex / {name}",
        "full_path": full_path,
        "created_at": format_iso(created),
        "parent_id": None if parent is None else 4 + parent,
    }
    return {
        "id": str(number),
        "name": name,
        "group_type": "group",
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        "description": remote_data["description"],
        "remote_data": remote_data,
    }


def _jfrog() -> Account:
    """The name is the id, blanks and slashes included; a list gives nothing more."""
    names = ("readers", "release managers", "qa+staging", "ci/deployers", "security", "tech-leads")
    groups = [
        {
            "id": name,
            "name": name,
            "group_type": "group",
            "description": description,
            "remote_data": {
                "name": name,
                "description": description,
                "auto_join": name == "readers",
                "admin_privileges": name == "tech-leads",
                "realm": "ldap" if name == "security" else "internal",
                "realm_attributes": "ou=security,dc=initech" if name == "security" else None,
                "external_id": "",
                "members": [f"{name[:2]}{at}@initech.example" for at in (1, 2)],
            },
        }
        for name in names
        for description in (f"Those who are {name}",)
    ]
    return make_account(
        "705c9ebf-d183-42e4-87f9-b3d1f27e9013",
        groups,
        integration="jfrog",
        tenant_id="initech",
        authentication_method="api_key",
        context={"label": "initech jfrog", "host": "initech.jfrog.io"},
        created_at="2024-11-05T17:00:00.000Z",
    )


def _launchdarkly() -> Account:
    """Drifts softly at its second refresh: the vendor changes shapes, the mapping adds a field."""
    names = [
        f"{area} {kind}"
        for area in ("Checkout", "Search", "Growth", "Core")
        for kind in ("Web", "API", "Apps", "Data", "QA", "SRE")
    ]
    first = [_launchdarkly_team(name) for name in names]
    second = [_drifted_launchdarkly_team(team) for team in first]
    return make_account(
        "816dafc0-e294-43f5-980a-c4e2038fa114",
        first,
        second,
        integration="launchdarkly",
        tenant_id="acme",
        authentication_method="api_key",
        context={"label": "acme launchdarkly"},
        created_at="2024-09-04T15:40:00.000Z",
    )


def _launchdarkly_team(name: str) -> _Group:
    seed = f"launchdarkly/{name}"
    key = name.lower().replace(" ", "-")
    created = draw_instant(seed)
    updated = created + timedelta(days=draw_number(seed + "u", 0, 90))
    remote_data: _Group = {
        "key": key,
        "name": name,
        "description": f"Flags of {name}",
        "_creationDate": int(created.timestamp()) * 1000,
        "_lastModified": int(updated.timestamp()) * 1000,
        "_version": draw_number(seed + "v", 1, 9),
        "_idpSynced": draw_number(seed + "i", 0, 1) == 1,
        "_access": {"denied": [], "allowed": []},
        "members": {"totalCount": draw_number(seed + "m", 1, 25)},
        "_links": {"self": {"href": f"/api/v2/teams/{key}", "type": "application/json"}},
    }
    return {
        "id": key,
        "name": name,
        "group_type": "team",
        "created_at": format_iso(created),
        "updated_at": format_iso(updated),
        "description": remote_data["description"],
        "remote_data": remote_data,
    }


def _drifted_launchdarkly_team(team: _Group) -> _Group:
    remote_data = dict(team["remote_data"])
    remote_data["_version"] = str(remote_data["_version"])
    remote_data["members"] = remote_data["members"]["totalCount"]
    remote_data["customRoles"] = {"totalCount": 1}
    return {**team, "is_synced_from_idp": remote_data["_idpSynced"], "remote_data": remote_data}


def _vercel() -> Account:
    """The vendor's dates are epoch milliseconds, and go through as they are."""
    slugs = ("acme-web", "acme-labs", "acme-docs")
    return make_account(
        "927eb0d1-f3a5-44a6-a91b-d5f314a0b215",
        [_vercel_team(slug) for slug in slugs],
        integration="vercel",
        tenant_id="acme",
        context={"label": "acme vercel"},
        created_at="2024-09-05T07:50:00.000Z",
    )


def _vercel_team(slug: str) -> _Group:
    seed = f"vercel/{slug}"
    created = int(draw_instant(seed).timestamp()) * 1000 + 389
    remote_data: _Group = {
        "id": f"team_{draw_text(seed, 24, alphabet=BASE62)}",
        "slug": slug,
        "name": slug.replace("-", " ").title(),
        "description": None,
        "avatar": None,
        "creatorId": draw_text(seed + "c", 24, alphabet=BASE62),
        "stagingPrefix": f"{slug}-staging",
        "createdAt": created,
        "updatedAt": created + 86_400_000,
        "membership": {"confirmed": True, "role": "OWNER", "teamPermissions": []},
        "saml": {"enforced": False},
    }
    return {
        "id": remote_data["id"],
        "name": remote_data["name"],
        "group_type": "team",
        "created_at": remote_data["createdAt"],
        "updated_at": remote_data["updatedAt"],
        "description": None,
        "remote_data": remote_data,
    }
