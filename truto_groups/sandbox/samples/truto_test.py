"""The account of Truto's own test app, with the six groups of its published fixture."""

from typing import Any

from truto_groups.sandbox.samples.made_up import draw_instant, draw_number, format_iso
from truto_groups.sandbox.served_accounts import Account, make_account

_Group = dict[str, Any]


def list_accounts() -> list[Account]:
    """One, whose ids are integers."""
    return [_truto_test()]


def _truto_test() -> Account:
    names = ("Engineering", "Product", "Sales", "Customer Support", "People Ops", "Leadership")
    return make_account(
        "f3b5d7e9-1a2c-4f6e-9d8b-5a7c9e1f3b06",
        [_truto_test_group(number, name) for number, name in enumerate(names, start=1)],
        integration="trutotest",
        tenant_id="initech",
        authentication_method="api_key",
        context={"label": "initech truto test"},
        created_at="2025-01-15T09:00:00.000Z",
    )


def _truto_test_group(number: int, name: str) -> _Group:
    seed = f"trutotest/{name}"
    instant = draw_instant(seed)
    members = [
        {
            "id": number * 10 + at,
            "email": f"{name.split()[0].lower()}.{at}@initech.example",
            "name": f"{name} {at}",
            "role": "manager" if at == 0 else "member",
        }
        for at in range(draw_number(seed + "m", 2, 5))
    ]
    dates = {"created_at": format_iso(instant), "updated_at": format_iso(instant)}
    return {
        "id": number,
        "name": name,
        "group_type": "team",
        "organization": "1",
        **dates,
        "remote_data": {
            "id": number,
            "name": name,
            "organization_id": 1,
            **dates,
            "members": members,
        },
    }
