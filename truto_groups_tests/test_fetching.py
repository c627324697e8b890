"""Fetching waits for whoever takes the pages. Real HTTP on loopback."""

import pytest

from truto_groups import fetching
from truto_groups.client import ClientOptions, GroupsRequest, TrutoClient
from truto_groups.fetching import Arrived, Began, Event, Fetcher, Walked
from truto_groups_tests.stand import A, B, Stand, counting_requests, groups_of


def test_no_more_pages_are_fetched_than_may_wait_until_some_are_released(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_WAITING_BYTES", 1)
    for key in (A, B):
        stand.put(key, groups_of(50))
    options = ClientOptions(stand.server.base_url, page_size=10, requests_per_10_seconds=0)
    with (
        counting_requests(stand) as asked,
        Fetcher(
            lambda: TrutoClient(options, token=stand.server.token),
            accounts_at_once=2,
            count_order=lambda: 1,
            clock=lambda: stand.now,
        ) as fetcher,
    ):
        for key in (A, B):
            fetcher.fetch(GroupsRequest(key, "okta"))
        taken = events = take_all(fetcher)
        # One page waits to be released, and of each account one more to be handed on.
        assert len(taken) == 1
        assert len(asked) <= 3
        while sum(isinstance(event, Walked) for event in events) < 2:
            for event in taken:
                if isinstance(event, Arrived):
                    fetcher.release(event.page.byte_count)
            taken = take_all(fetcher)
            events = [*events, *taken]
    assert len(asked) == sum(isinstance(event, Arrived) for event in events) == 10


def take_all(fetcher: Fetcher) -> list[Event]:
    """Take what arrives until nothing more does."""
    events: list[Event] = []
    while event := fetcher.next_event(timeout=0.3 if events else 20):
        if not isinstance(event, Began):
            events.append(event)
    return events
