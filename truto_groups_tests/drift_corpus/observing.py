"""Records through the real staging area, as a sync does it: what the audit is given."""

import json
from collections.abc import Mapping
from typing import Any

from truto_groups.drift.profile import shape_of
from truto_groups.drift.shape import Shape
from truto_groups.sync.land import StagedPage, Staging

_PAGES_AT_ONCE = 50


def observe_shapes(accounts: Mapping[str, list[Any]]) -> dict[str, Shape]:
    """Land accounts of any records and profile them, all at once."""
    keys = list(accounts)
    with Staging() as staging:
        pages = [StagedPage(key, 1, json.dumps(records)) for key, records in accounts.items()]
        for start in range(0, len(pages), _PAGES_AT_ONCE):
            staging.land(pages[start : start + _PAGES_AT_ONCE])
        landed = staging.inspect(keys)
        structures = staging.profile(keys)
    return {key: shape_of(structures.get(key, []), landed[key].counts) for key in keys}


def observe_shape(records: list[Any]) -> Shape:
    """Land one account and profile it."""
    return observe_shapes({"account": records})["account"]
