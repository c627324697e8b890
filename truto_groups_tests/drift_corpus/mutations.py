"""Labelled mutations of an account's records: what changed, where, and whether rows become wrong.

Each is made of any account: the paths are read off its records, so that nothing here knows the
vendors. A mutation in "some" takes three in ten.
"""

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from truto_groups_tests.drift_corpus.records import Group, code, uuid

Steps = tuple[str, ...]
Change = Callable[[Any, random.Random], Any]

ABSENT = object()
_UNIFIED = ("name", "group_type", "description", "organization", "created_at", "updated_at")


@dataclass(frozen=True)
class Mutation:
    """Records with one change in them, and the finding that must name it."""

    kind: str
    path: str
    is_breaking: bool
    reach: str
    records: list[Any]


@dataclass(frozen=True)
class Place:
    """A path of an account's records: the types there and in how many records it has a value."""

    steps: Steps
    types: frozenset[str]
    record_count: int
    is_always_filled: bool


def path_of(steps: Steps) -> str:
    return ".".join(steps).replace(".[]", "[]")


def type_of(value: Any) -> str:
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (str, "string"), (dict, "object"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "number"


def find_places(records: list[Group]) -> list[Place]:
    """Every path that a field name leads to, without the maps whose keys are data."""
    types: dict[Steps, set[str]] = {}
    filled: dict[Steps, int] = {}
    parents: dict[Steps, int] = {}
    for record in records:
        for steps, values in _iter_values(record):
            types.setdefault(steps, set()).update(type_of(value) for value in values)
            filled[steps] = filled.get(steps, 0) + any(value is not None for value in values)
        for steps in _iter_objects(record):
            parents[steps] = parents.get(steps, 0) + 1
    return [
        Place(
            steps,
            frozenset(kinds - {"null"}),
            filled[steps],
            filled[steps] == parents[steps[:-1]] and "null" not in kinds,
        )
        for steps, kinds in sorted(types.items())
    ]


_MAPS = {"memberQueryExemptions", "headcounts", "labels"}


def _iter_values(record: Group) -> Iterator[tuple[Steps, list[Any]]]:
    found: dict[Steps, list[Any]] = {}

    def walk(value: Any, steps: Steps) -> None:
        if isinstance(value, dict):
            for key, child in value.items():
                found.setdefault((*steps, key), []).append(child)
                if key not in _MAPS:
                    walk(child, (*steps, key))
        elif isinstance(value, list):
            for child in value:
                walk(child, (*steps, "[]"))

    walk(record, ())
    yield from found.items()


def _iter_objects(record: Group) -> set[Steps]:
    found: set[Steps] = set()

    def walk(value: Any, steps: Steps) -> None:
        if isinstance(value, dict):
            found.add(steps)
            for key, child in value.items():
                walk(child, (*steps, key))
        elif isinstance(value, list):
            for child in value:
                walk(child, (*steps, "[]"))

    walk(record, ())
    return found


def change_at(record: Group, steps: Steps, change: Callable[[Any], Any]) -> bool:
    """Change the value at a path of one record in all its elements; whether it was there."""
    if steps[0] == "[]":
        raise AssertionError("an element is reached through its array")
    if len(steps) == 1:
        value = change(record.get(steps[0], ABSENT))
        if value is ABSENT:
            return record.pop(steps[0], ABSENT) is not ABSENT
        record[steps[0]] = value
        return True
    child = record.get(steps[0])
    rest = steps[1:]
    while rest[0] == "[]" and isinstance(child, list):
        child = [part for part in child if isinstance(part, dict)]
        rest = rest[1:]
        return any([change_at(part, rest, change) for part in child])
    return isinstance(child, dict) and change_at(child, rest, change)


def mutate(
    records: list[Group],
    steps: Steps,
    *,
    reach: str,
    rng: random.Random,
    change: Change,
    only_values: bool = False,
) -> list[Group] | None:
    """Change one path in one, some or all records that can have it; None when none can."""
    made = [copy.copy(record) for record in records]
    able = [i for i, record in enumerate(records) if _can(record, steps, only_values=only_values)]
    if not able:
        return None
    count = {"one": 1, "some": max(1, round(len(able) * 0.3)), "all": len(able)}[reach]
    if count >= len(able) and reach != "all":
        return None
    for index in rng.sample(able, count):
        made[index] = json.loads(json.dumps(records[index]))
        change_at(made[index], steps, lambda value: change(value, rng))
    return made


def _can(record: Group, steps: Steps, *, only_values: bool) -> bool:
    if only_values:
        return any(
            found == steps and all(value is not None for value in values) and values
            for found, values in _iter_values(record)
        )
    return steps[:-1] in _iter_objects(record)


def _retype(value: Any, rng: random.Random) -> Any:
    kind = type_of(value)
    if kind == "number":
        return str(value)
    if kind == "string":
        return rng.choice([rng.randrange(10**6), {"value": value}, [value]])
    if kind == "boolean":
        return str(value).lower()
    if kind == "object":
        return "collapsed"
    return "joined,together"


REACHES = ("one", "some", "all")


def iter_mutations(
    records: list[Group], *, rng: random.Random, most: int = 10_000
) -> list[Mutation]:
    """All mutations of an account that its records allow; a sample of ``most`` and four more."""
    recipes = [*_breaking(records), *_inside(records), *_values(records)]
    rng.shuffle(recipes)
    made: list[Mutation] = []
    for kind, steps, is_breaking, reach, change, only_values in recipes:
        if len(made) >= most:
            break
        mutated = mutate(
            records, steps, reach=reach, rng=rng, change=change, only_values=only_values
        )
        if mutated is not None:
            made.append(Mutation(kind, path_of(steps), is_breaking, reach, mutated))
    return made + _not_objects(records, rng)


Recipe = tuple[str, Steps, bool, str, Change, bool]


def _breaking(records: list[Group]) -> Iterator[Recipe]:
    filled = {place.steps for place in find_places(records) if place.record_count}
    for reach in REACHES:
        yield ("id_missing", ("id",), True, reach, lambda v, r: ABSENT, True)
        yield ("id_missing", ("id",), True, reach, lambda v, r: None, True)
        if isinstance(records[0]["id"], str):
            yield ("type_changed", ("id",), True, reach, lambda v, r: r.randrange(10**8), True)
        else:
            yield ("type_changed", ("id",), True, reach, lambda v, r: str(v), True)
        for field in _UNIFIED:
            if (field,) in filled:
                change: Change
                for change in (
                    lambda v, r: {"value": v},
                    lambda v, r: [v],
                    lambda v, r: True,
                ):
                    yield ("type_changed", (field,), True, reach, change, True)
        yield ("type_changed", ("remote_data",), True, reach, lambda v, r: json.dumps(v), True)
        yield ("type_changed", ("remote_data",), True, reach, lambda v, r: [v], True)


def _inside(records: list[Group]) -> Iterator[Recipe]:
    places = find_places(records)
    objects = sorted({place.steps[:-1] for place in places})
    for reach in REACHES:
        for steps in objects:
            yield (
                "field_added",
                (*steps, "newlyAdded"),
                False,
                reach,
                lambda v, r: r.choice(["text", 5, True, None, {"a": 1}]),
                False,
            )
    for place in places:
        is_inside = place.steps[0] == "remote_data" and len(place.steps) > 1
        if place.steps == ("id",) or not place.record_count:
            continue
        yield ("field_gone", place.steps, False, "all", lambda v, r: ABSENT, False)
        for reach in REACHES:
            if is_inside and len(place.types) == 1:
                yield ("type_changed", place.steps, False, reach, _retype, True)
            if place.is_always_filled:
                yield ("null_share_jumped", place.steps, False, reach, lambda v, r: None, True)
                if reach != "all":
                    yield (
                        "null_share_jumped",
                        place.steps,
                        False,
                        reach,
                        lambda v, r: ABSENT,
                        True,
                    )
            elif reach == "all":
                yield ("null_share_jumped", place.steps, False, reach, lambda v, r: None, False)


def _values(records: list[Group]) -> Iterator[Recipe]:
    filled = {place.steps for place in find_places(records) if place.record_count}
    is_text = isinstance(records[0]["id"], str)
    for reach in REACHES:
        if ("group_type",) in filled:
            yield ("new_group_type", ("group_type",), False, reach, lambda v, r: "SQUAD", True)
            yield ("new_group_type", ("group_type",), False, reach, lambda v, r: "product", True)
        for field in ("created_at", "updated_at"):
            if (field,) in filled and isinstance(
                next(r[field] for r in records if r.get(field)), str
            ):
                for text in ("yesterday", "31/12/2024", "0"):
                    yield (
                        "instants_unreadable",
                        (field,),
                        False,
                        reach,
                        lambda v, r, text=text: text,
                        True,
                    )
        if is_text:
            yield (
                "id_form_changed",
                ("id",),
                False,
                reach,
                lambda v, r: f"new:{code(r, 9)}/x",
                True,
            )
            if records[0]["id"].count("-") != 4:
                yield ("id_form_changed", ("id",), False, reach, lambda v, r: uuid(r), True)


def _not_objects(records: list[Group], rng: random.Random) -> list[Mutation]:
    made: list[Mutation] = []
    for value in ("text", None, 5, []):
        mutated: list[Any] = list(records)
        mutated[rng.randrange(len(records))] = value
        made.append(Mutation("not_an_object", "", True, "one", mutated))
    return made
