"""Where most tests of syncs begin: four accounts that are listed, or published, already.

Each state is made once, by a discovery and a sync like any other; a test goes on from a copy.
"""

import pytest

from truto_groups_tests.stand import A, B, C, D, Stand, groups_of, open_stand


def _connect(stand: Stand) -> None:
    for key in (A, B, C, D):
        stand.put(key, groups_of(3))


def _publish(stand: Stand) -> None:
    assert set(stand.outcomes(run_id="r1").values()) == {"published"}
    stand.pass_time(hours=1)


@pytest.fixture(name="listed_once", scope="session")
def provide_listed_once(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """To copy from alone."""
    with open_stand(tmp_path_factory.mktemp("listed")) as stand:
        _connect(stand)
        stand.discover()
    return stand


@pytest.fixture(name="published_once", scope="session")
def provide_published_once(listed_once: Stand, tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """To copy from alone."""
    with open_stand(tmp_path_factory.mktemp("published")) as stand:
        stand.go_on_from(listed_once)
        _connect(stand)
        _publish(stand)
    return stand


@pytest.fixture(name="listed")
def provide_listed(stand: Stand, listed_once: Stand) -> Stand:
    """A, B, C and D, Oktas with three groups each, are listed and were never synced."""
    stand.go_on_from(listed_once)
    _connect(stand)
    return stand


@pytest.fixture(name="published")
def provide_published(stand: Stand, published_once: Stand) -> Stand:
    """A, B, C and D, Oktas with three groups each, were published an hour ago, in the run r1."""
    _connect(stand)
    if stand.database.is_file:
        stand.go_on_from(published_once)
    else:
        stand.discover()
        _publish(stand)
    return stand
