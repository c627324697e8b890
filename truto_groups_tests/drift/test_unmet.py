"""Paths of the setting remote_data that lead to nothing. Shapes are counted by the database."""

from typing import Any

import pytest

from truto_groups.drift.shape import Shape
from truto_groups.drift.unmet import find_unmet_paths
from truto_groups.sync.refresh import plan_sync
from truto_groups_tests.stand import A, Stand, group, open_stand

REMOTE: dict[str, Any] = {
    "profile": {"name": "x", "nothing": None},
    "members": [{"email": "a@example.com"}],
    "urn:ietf:params:scim:schemas:core:2.0:Group": {"kind": "team"},
    "empty": {},
}


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Shape:
    """What an account with such groups looks like."""
    with open_stand(tmp_path_factory.mktemp("unmet")) as stand:
        stand.put(A, [group(n, remote_data=REMOTE) for n in range(3)])
        stand.discover()
        result: Any = stand.sync(A)[A]
    return result.verdict.shape


@pytest.mark.parametrize(
    ("path", "is_met"),
    [
        (["profile", "name"], True),
        (["profile", "nothing"], True),
        (["members", "email"], True),
        (["urn:ietf:params:scim:schemas:core:2.0:Group", "kind"], True),
        (["profile", "nmae"], False),
        (["profile", "name", "deeper"], False),
        (["empty", "x"], False),
        (["urn:ietf:params:scim:schemas:core:2", "0:Group", "kind"], False),
    ],
)
def test_a_path_that_no_group_has_is_found(shape: Shape, path: list[str], is_met: bool) -> None:
    assert (find_unmet_paths((tuple(path),), shape) == []) is is_met


def test_an_account_without_groups_tells_nothing_of_its_paths(stand: Stand) -> None:
    stand.put(A, [])
    stand.discover()
    result: Any = stand.sync(A)[A]

    assert find_unmet_paths((("x",),), result.verdict.shape) == []


def test_the_page_size_of_an_account_goes_into_what_is_asked(stand: Stand) -> None:
    stand.write_settings(f"accounts: {{{A}: {{page_size: 25}}}}")
    stand.put(A, [group(1)])
    found = stand.discover()

    (planned,) = [plan_sync(stand.session(), account) for account in found.accounts]
    assert planned.request.page_size == 25
