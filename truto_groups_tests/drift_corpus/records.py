"""Unified groups as ten integrations send them: the vendors' documented records in remote_data.

Every optional field comes with a probability of its own, so that two accounts of one integration,
or one account twice, differ as real ones do.
"""

import random
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

Group = dict[str, Any]
Make = Callable[[random.Random], Group]

_WORDS = (
    "alpha",
    "billing",
    "core",
    "data",
    "edge",
    "field",
    "growth",
    "hiring",
    "infra",
    "legal",
    "ops",
)


def iso(rng: random.Random) -> str:
    return instant(rng).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def instant(rng: random.Random) -> datetime:
    return datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(60_000_000))


def uuid(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


def code(
    rng: random.Random, count: int, alphabet: str = string.ascii_letters + string.digits
) -> str:
    return "".join(rng.choices(alphabet, k=count))


def title(rng: random.Random) -> str:
    return " ".join(rng.sample(_WORDS, 2)).title() + f" {rng.randrange(100)}"


def maybe(rng: random.Random, share: float, value: Any) -> Any:
    return value if rng.random() < share else None


def but(group: Group) -> Group:
    """Leave out what is null, as vendors do that omit empty fields."""
    return {key: value for key, value in group.items() if value is not None}


def okta(rng: random.Random) -> Group:
    key = f"00g{code(rng, 17)}"
    kind = rng.choice(["OKTA_GROUP", "APP_GROUP"])
    profile = {"name": title(rng), "description": maybe(rng, 0.7, title(rng))}
    return {
        "id": key,
        "name": profile["name"],
        "group_type": kind,
        "description": profile["description"],
        "created_at": iso(rng),
        "updated_at": iso(rng),
        "remote_data": {
            "id": key,
            "created": iso(rng),
            "lastUpdated": iso(rng),
            "lastMembershipUpdated": iso(rng),
            "objectClass": ["okta:user_group"],
            "type": kind,
            "profile": profile,
            "_links": {
                "logo": [{"name": "medium", "href": f"https://a.example/{key}", "type": "image"}],
                "users": {"href": f"https://a.example/{key}/users"},
            },
        },
    }


def jira(rng: random.Random) -> Group:
    key, name = uuid(rng), title(rng).lower().replace(" ", "-")
    return {"id": key, "name": name, "remote_data": {"name": name, "groupId": key}}


def slack(rng: random.Random) -> Group:
    key, created = f"S0{code(rng, 9, string.ascii_uppercase + string.digits)}", instant(rng)
    return {
        "id": key,
        "name": title(rng),
        "group_type": "group",
        "description": rng.choice(["", title(rng)]),
        "created_at": created.isoformat(),
        "remote_data": {
            "id": key,
            "team_id": "T0614TZR7",
            "is_usergroup": True,
            "handle": title(rng).lower().replace(" ", "-"),
            "is_external": rng.random() < 0.1,
            "date_create": int(created.timestamp()),
            "date_delete": 0,
            "auto_type": maybe(rng, 0.2, rng.choice(["admin", "owner"])),
            "created_by": f"U{code(rng, 8, string.ascii_uppercase + string.digits)}",
            "prefs": {
                "channels": [f"C{code(rng, 8).upper()}" for _ in range(rng.randrange(4))],
                "groups": [],
            },
            "user_count": str(rng.randrange(40)),
        },
    }


def gitlab(rng: random.Random) -> Group:
    number, name = rng.randrange(1, 10**12), title(rng)
    return {
        "id": str(number),
        "name": name,
        "group_type": "group",
        "description": rng.choice(["", title(rng)]),
        "created_at": iso(rng),
        "remote_data": {
            "id": number,
            "path": name.lower(),
            "visibility": rng.choice(["private", "internal", "public"]),
            "avatar_url": None,
            "web_url": f"https://git.example/{number}",
            "request_access_enabled": rng.random() < 0.5,
            "parent_id": maybe(rng, 0.6, rng.randrange(1, 10**12)),
            "statistics": {"storage_size": rng.randrange(10**9), "ratio": rng.random() * 10},
            "shared_with_groups": [
                {"group_id": rng.randrange(9000), "expires_at": maybe(rng, 0.3, "2026-01-31")}
                for _ in range(rng.randrange(3))
            ],
        },
    }


def asana(rng: random.Random) -> Group:
    key, workspace = str(rng.randrange(10**15, 10**16)), "1200000000000001"
    return {
        "id": key,
        "name": title(rng),
        "group_type": "team",
        "organization": workspace,
        "remote_data": but(
            {
                "gid": key,
                "resource_type": "team",
                "organization": {
                    "gid": workspace,
                    "name": "acme",
                    "resource_type": "workspace",
                },
                "permalink_url": f"https://app.example/0/{key}",
                "html_description": maybe(rng, 0.4, "<body></body>"),
                "visibility": rng.choice(["secret", "public", "request_to_join"]),
            }
        ),
    }


def entra(rng: random.Random) -> Group:
    key = uuid(rng)
    return {
        "id": key,
        "name": title(rng),
        "group_type": "group",
        "description": maybe(rng, 0.5, title(rng)),
        "created_at": iso(rng),
        "remote_data": {
            "id": key,
            "createdDateTime": iso(rng),
            "mail": maybe(rng, 0.6, f"{code(rng, 6)}@acme.example"),
            "mailEnabled": rng.random() < 0.6,
            "groupTypes": rng.choice([[], ["Unified"]]),
            "onPremisesSyncEnabled": maybe(rng, 0.1, True),
            "proxyAddresses": [f"SMTP:{code(rng, 6)}@acme.example"],
            "resourceProvisioningOptions": rng.choice([[], ["Team"]]),
            "theme": None,
        },
    }


def google(rng: random.Random) -> Group:
    key = code(rng, 15, string.ascii_lowercase + string.digits)
    return {
        "id": key,
        "name": title(rng),
        "group_type": "group",
        "description": rng.choice(["", title(rng)]),
        "remote_data": but(
            {
                "kind": "admin#directory#group",
                "id": key,
                "etag": f'"{code(rng, 20)}"',
                "email": f"{code(rng, 8)}@acme.example",
                "directMembersCount": str(rng.randrange(90)),
                "adminCreated": rng.random() < 0.8,
                "aliases": maybe(rng, 0.25, [f"{code(rng, 5)}@acme.example"]),
                "nonEditableAliases": [f"{code(rng, 5)}@acme.test.example"],
            }
        ),
    }


def hubspot(rng: random.Random) -> Group:
    number = rng.randrange(1, 10**12)
    return {
        "id": number,
        "name": title(rng),
        "group_type": "Team",
        "remote_data": {
            "id": number,
            "userIds": [rng.randrange(10**7) for _ in range(rng.randrange(5))],
            "secondaryUserIds": [],
            "members": [
                but(
                    {
                        "id": rng.randrange(10**7),
                        "email": f"{code(rng, 7)}@acme.example",
                        "role": rng.choice(["admin", "member"]),
                        "phone": maybe(rng, 0.5, f"+49{rng.randrange(10**8)}"),
                    }
                )
                for _ in range(rng.randrange(1, 5))
            ],
        },
    }


def jumpcloud(rng: random.Random) -> Group:
    key = code(rng, 24, "0123456789abcdef")
    return {
        "id": key,
        "name": title(rng),
        "group_type": rng.choice(["group", "team", "department"]),
        "created_at": int(instant(rng).timestamp()),
        "department_code": maybe(rng, 0.5, code(rng, 4)),
        "remote_data": {
            "id": key,
            "type": "user_group",
            "attributes": {
                "sudo": {"enabled": rng.random() < 0.2, "withoutPassword": False},
                "posixGroups": [{"id": rng.randrange(9999), "name": title(rng)}],
            },
            "memberQueryExemptions": {
                code(rng, 24, "0123456789abcdef"): {"since": iso(rng)}
                for _ in range(rng.randrange(3))
            },
            "suggestionCounts": {"add": rng.randrange(9), "remove": rng.randrange(9)},
        },
    }


def workday(rng: random.Random) -> Group:
    key = f"org_{rng.randrange(10**12)}"
    return {
        "id": key,
        "name": title(rng),
        "group_type": "department",
        "updated_at": iso(rng),
        "remote_data": {
            "id": key,
            "descriptor": title(rng),
            "manager": maybe(rng, 0.8, {"id": code(rng, 8), "descriptor": title(rng)}),
            "headcounts": {f"{2020 + y}-01-01": rng.randrange(99) for y in range(rng.randrange(4))},
            "labels": {
                f"{rng.choice(_WORDS)}_{rng.choice(_WORDS)}": rng.choice(["yes", "no"])
                for _ in range(rng.randrange(4))
            },
            "superior": {
                "id": code(rng, 8),
                "location": {"city": title(rng), "geo": {"lat": rng.random(), "long": 9}},
            },
        },
    }


INTEGRATIONS: dict[str, Make] = {
    make.__name__: make
    for make in (okta, jira, slack, gitlab, asana, entra, google, hubspot, jumpcloud, workday)
}


def make_account(integration: str, *, size: int, seed: str) -> list[Group]:
    """An account of so many groups, the same for the same seed."""
    rng = random.Random(f"{integration}/{size}/{seed}")
    return [INTEGRATIONS[integration](rng) for _ in range(size)]
