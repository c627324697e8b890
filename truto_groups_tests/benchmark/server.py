"""The sandbox with many generated accounts, in a process of its own: ``python -m … PORT …``."""

import sys
import time
import uuid

from truto_groups.sandbox import GeneratedGroups, SandboxServer, make_account

TOKEN = "sandbox-token"
AT_ONCE = 16
PAGE_SIZE = 100
GROUPS_PATH = "/unified/user-directory/groups"
DATABASE = "groups.duckdb"


def make_group(index: int) -> dict[str, object]:
    """A group in the shape that Okta documents, of about 800 bytes."""
    key = f"00g{index:012d}"
    links = f"https://example.okta.com/api/v1/groups/{key}"
    return {
        "id": key,
        "name": f"Group {index}",
        "group_type": "team" if index % 3 else "group",
        "description": f"All users of group {index}",
        "created_at": "2015-02-06T10:11:28.000Z",
        "updated_at": "2015-10-05T19:16:43.000Z",
        "remote_data": {
            "id": key,
            "created": "2015-02-06T10:11:28.000Z",
            "lastUpdated": "2015-10-05T19:16:43.000Z",
            "lastMembershipUpdated": "2015-11-28T19:15:32.000Z",
            "objectClass": ["okta:user_group"],
            "type": "OKTA_GROUP",
            "profile": {"name": f"Group {index}", "description": f"All users of group {index}"},
            "_links": {
                "logo": [{"name": "medium", "href": f"{links}/logo.png", "type": "image/png"}],
                "users": {"href": f"{links}/users"},
                "apps": {"href": f"{links}/apps"},
            },
        },
    }


def account_id(index: int) -> str:
    """The id of the account with that number; ids have no order, as Truto's have none."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(index)))


if __name__ == "__main__":
    account_count, group_count, latency = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    accounts = [
        make_account(account_id(index), GeneratedGroups(group_count, make=make_group))
        for index in range(account_count)
    ]
    with SandboxServer(
        accounts=accounts, latency_seconds=latency, page_cache_bytes=2 << 30
    ) as server:
        print(server.base_url, flush=True)
        time.sleep(24 * 3600)
