"""What became of a group, in words. Pure; nothing is faked."""

from typing import Any

import pytest

from truto_groups.report.changes import ChangedGroup, say_change, say_changes


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"change": "added"}, "added *Ops*"),
        ({"change": "removed"}, "removed *Ops*"),
        ({"change": "added", "hint": "recreated"}, "added *Ops* (made anew)"),
        (
            {"hint": "renamed", "changed_fields": {"name": ["Old", "Ops"]}},
            "renamed *Old* → *Ops*",
        ),
        (
            {"hint": "renamed", "changed_fields": {"name": [None, "Ops"]}},
            "renamed the group g\\_1 → *Ops*",
        ),
        (
            {"hint": "retyped", "changed_fields": {"group_type": ["team", None]}},
            "retyped *Ops*: team → none",
        ),
        ({"changed_fields": {"description": ["a", "b"]}}, "changed *Ops*: description"),
        (
            {"hint": "id_reused", "changed_fields": {"name": ["a", "b"], "created_at": [1, 2]}},
            "changed *Ops* (another group has its id): name, created\\_at",
        ),
        ({"change": "added", "name": "  "}, "added the group g\\_1"),
        ({"change": "added", "name": "[x](y) | *z*\n#"}, "added *\\[x\\](y) \\| \\*z\\* \\#*"),
    ],
)
def test_a_change_is_said_by_name(fields: dict[str, Any], said: str) -> None:
    values: dict[str, Any] = {"change": "changed", "hint": None, "name": "Ops", **fields}

    assert say_change(ChangedGroup(id="g_1", **values)) == said


def test_a_long_name_ends_at_a_word_and_a_long_word_loses_its_middle() -> None:
    long = ChangedGroup("g", "added", None, "word " * 30)
    unbroken = ChangedGroup("g", "added", None, "x" * 55)

    assert say_change(long).endswith(" word…*")
    assert say_change(unbroken) == f"added *{'x' * 15}…{'x' * 16}*"


def test_of_many_changes_some_are_named_and_the_rest_is_counted() -> None:
    groups = [ChangedGroup(f"g{n}", "added", None, f"G{n}") for n in range(3)]

    assert (
        say_changes({"added": 9}, groups, most=2, is_private=False)
        == "9 added: added *G0*; added *G1*; and 7 more"
    )
    assert say_changes({"added": 9}, groups, most=2, is_private=True) == "9 added"
