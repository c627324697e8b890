"""Harmless variations of an account's records: what happens every day and must not alarm."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from truto_groups_tests.drift_corpus.records import INTEGRATIONS, Group, instant

Vary = Callable[[list[Group], str, random.Random], list[Group]]


def _shuffled_keys(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        return {key: _shuffled_keys(child, rng) for key, child in items}
    if isinstance(value, list):
        return [_shuffled_keys(child, rng) for child in value]
    return value


def other_order(records: list[Group], _: str, rng: random.Random) -> list[Group]:
    shuffled = [_shuffled_keys(record, rng) for record in records]
    rng.shuffle(shuffled)
    return shuffled


def other_values(records: list[Group], integration: str, rng: random.Random) -> list[Group]:
    """All records anew: other values, and optional fields wherever they fall."""
    return [INTEGRATIONS[integration](rng) for _ in records]


def fewer(records: list[Group], _: str, rng: random.Random) -> list[Group]:
    return rng.sample(records, max(1, round(len(records) * 0.8)))


def more(records: list[Group], integration: str, rng: random.Random) -> list[Group]:
    added = max(1, round(len(records) * 0.25))
    return records + [INTEGRATIONS[integration](rng) for _ in range(added)]


def half_replaced(records: list[Group], integration: str, rng: random.Random) -> list[Group]:
    kept = rng.sample(records, len(records) // 2)
    return kept + [INTEGRATIONS[integration](rng) for _ in range(len(records) - len(kept))]


def empty_lists(records: list[Group], _: str, rng: random.Random) -> list[Group]:
    """Lists that happen to be empty today."""

    def emptied(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: emptied(child) for key, child in value.items()}
        return [] if isinstance(value, list) else value

    return [emptied(record) for record in records]


def other_numbers(records: list[Group], _: str, rng: random.Random) -> list[Group]:
    """Whole numbers become fractions, negative or large."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: changed(child) for key, child in value.items()}
        if isinstance(value, list):
            return [changed(child) for child in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return rng.choice([value + 0.5, -value, value * 10**20])
        return value

    return [{**record, "remote_data": changed(record["remote_data"])} for record in records]


def other_instants(records: list[Group], _: str, rng: random.Random) -> list[Group]:
    """Instants with another zone, without one, or as a date alone."""
    forms = ("%Y-%m-%dT%H:%M:%S+02:00", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S.%fZ")
    return [
        {
            key: instant(rng).strftime(rng.choice(forms))
            if key in ("created_at", "updated_at") and isinstance(value, str)
            else value
            for key, value in record.items()
        }
        for record in records
    ]


def other_case(records: list[Group], _: str, rng: random.Random) -> list[Group]:
    return [
        {**record, "group_type": rng.choice([str.upper, str.lower])(record["group_type"])}
        if record.get("group_type")
        else record
        for record in records
    ]


def nulls_left_out(records: list[Group], _: str, rng: random.Random) -> list[Group]:
    """Null or absent: the same to every reader."""
    return [
        {key: value for key, value in record.items() if value is not None} for record in records
    ]


def long_texts(records: list[Group], _: str, rng: random.Random) -> list[Group]:
    return [{**record, "name": f"{record['name']} \U0001f600 {'x' * 500}"} for record in records]


VARIATIONS: tuple[Vary, ...] = (
    other_order,
    other_values,
    fewer,
    more,
    half_replaced,
    empty_lists,
    other_numbers,
    other_instants,
    other_case,
    nulls_left_out,
    long_texts,
)


def iter_variations(
    records: list[Group], integration: str, *, rng: random.Random, repeats: int
) -> Iterator[tuple[str, list[Group]]]:
    """Every harmless variation of an account, with other chances in each repeat."""
    for _ in range(repeats):
        for vary in VARIATIONS:
            copied = json.loads(json.dumps(records))
            yield vary.__name__, vary(copied, integration, rng)
