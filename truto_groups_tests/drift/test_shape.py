"""Shapes: from structures as DuckDB tells them to paths, types and counts. Nothing is faked.

The second half lands records in the real staging area, so that what DuckDB says is what it says.
"""

import itertools
import json
from typing import Any

import pytest

from truto_groups.drift.examples import find_example_place
from truto_groups.drift.findings import Finding
from truto_groups.drift.folding import MAX_PATHS, fold_alike, is_data_key
from truto_groups.drift.profile import shape_of
from truto_groups.drift.shape import LandedCounts, Shape, path_text
from truto_groups.sync.land import StagedPage, Staging
from truto_groups.warehouse.statements import statement
from truto_groups_tests.drift_corpus.observing import observe_shape


def make_shape(*structures: tuple[Any, int]) -> Shape:
    counted = [(json.dumps(structure), count) for structure, count in structures]
    return shape_of(counted, LandedCounts(record_count=sum(count for _, count in counted)))


def types_at(shape: Shape, text: str) -> dict[str, int]:
    return next((dict(s.types) for p, s in shape.paths.items() if path_text(p) == text), {})


_IDS = itertools.count(1)


def group(**remote_data: Any) -> dict[str, Any]:
    return {"id": str(next(_IDS)), "remote_data": remote_data}


def test_types_are_counted_over_all_records() -> None:
    shape = make_shape(({"id": "VARCHAR", "x": "UBIGINT"}, 3), ({"id": "VARCHAR", "x": "NULL"}, 2))

    assert types_at(shape, "id") == {"string": 5}
    assert types_at(shape, "x") == {"number": 3, "null": 2}


def test_whole_numbers_and_fractions_are_one_type() -> None:
    shape = observe_shape([group(x=1), group(x=-1.5), group(x=10**30)])

    assert types_at(shape, "remote_data.x") == {"number": 3}


def test_an_empty_list_says_nothing_about_its_elements() -> None:
    shape = observe_shape([group(x=[]), group(x=[None]), group(x=[{"a": 1}])])

    assert types_at(shape, "remote_data.x") == {"array": 3}
    assert types_at(shape, "remote_data.x[]") == {"object": 1}


def test_an_empty_object_is_an_object() -> None:
    assert types_at(observe_shape([group(x={})]), "remote_data.x") == {"object": 1}


def test_records_that_are_no_objects_are_counted() -> None:
    shape = observe_shape([group(), "text", None, [1]])

    assert shape.not_object_count == 3


@pytest.mark.parametrize(
    "key",
    [
        "12",
        "2024-01-31",
        "a.b@acme.example",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "507f1f77bcf86cd799439011",
        "U024BE7LH",
        "00g1emaKYZTWRYYRRTSK",
        "Q4-2024",
        "https://acme.example/x",
        "cn=Admins",
        "",
        "[]",
        "x" * 200,
    ],
)
def test_keys_that_are_data_are_recognised(key: str) -> None:
    assert is_data_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "lastMembershipUpdated",
        "_links",
        "x509Certificates",
        "image_512",
        "customfield_10010",
        "urn:ietf:params:scim:schemas:core:2.0:Group",
        "@odata.type",
        "is_2fa_enabled",
    ],
)
def test_names_of_fields_are_kept(key: str) -> None:
    assert not is_data_key(key)


def test_maps_with_ids_as_keys_have_the_same_shape_whatever_the_ids() -> None:
    one = observe_shape([group(members={"U024BE7LH": {"role": "x"}, "17": {"role": "y"}})])
    other = observe_shape([group(members={"U99XB77QQ": {"role": "z"}})])

    assert one.digest == other.digest
    assert types_at(one, "remote_data.members.{}.role") == {"string": 2}


def test_ten_thousand_keys_make_a_small_shape() -> None:
    shape = observe_shape([group(**{f"word{chr(97 + i % 26)}{i}": i for i in range(10_000)})])

    assert len(shape.paths) < 10
    assert types_at(shape, "remote_data.{}") == {"number": 10_000}


def test_sparse_keys_of_one_kind_are_folded_and_a_wide_record_is_not() -> None:
    sparse = observe_shape([group(**{f"label_{'abcdefghij'[i // 10]}{i}": "x"}) for i in range(99)])
    wide = observe_shape([group(**{f"field_{'abcdefghij'[i // 10]}{i}": "x" for i in range(99)})])

    assert types_at(sparse, "remote_data.{}") == {"string": 99}
    assert len(wide.paths) > 99


def test_a_shape_is_bounded_and_keeps_the_unified_fields() -> None:
    tree = {f"a{i}": {f"b{j}": {f"c{k}": 1 for k in range(9)} for j in range(9)} for i in range(9)}
    shape = observe_shape([{"id": "1", "name": "x", "updated_at": None, **group(**tree)}])

    assert len(shape.paths) <= MAX_PATHS
    assert {("id",), ("name",), ("updated_at",), ("remote_data",)} <= shape.paths.keys()


def test_ten_thousand_fields_of_the_group_itself_leave_the_unified_ones() -> None:
    shape = observe_shape(
        [{**group(), "name": "x", **{f"f{chr(97 + i % 26)}{i}": 1 for i in range(10_000)}}]
    )

    assert len(shape.paths) <= MAX_PATHS
    assert types_at(shape, "name") == {"string": 1}


def test_two_hundred_levels_are_looked_into_as_deep_as_allowed() -> None:
    value: Any = 1
    for _ in range(200):
        value = {"a": value}

    assert max(map(len, observe_shape([group(x=value)]).paths)) == 10


def test_shapes_that_fold_differently_are_compared_folded() -> None:
    folded = make_shape(({"id": "VARCHAR", "m": {str(i): "VARCHAR" for i in range(3)}}, 1))
    named = make_shape(({"id": "VARCHAR", "m": {"sales": "VARCHAR", "legal": "VARCHAR"}}, 1))

    alike = fold_alike([folded, named])

    assert alike[0].paths.keys() == alike[1].paths.keys()
    assert types_at(alike[1], "m.{}") == {"string": 2}


def test_a_shape_survives_json() -> None:
    shape = observe_shape([group(x=[{"a.b": 1}], odd={'"\u0000': None})])

    assert Shape.from_json(shape.to_json()) == shape
    assert Shape.from_json(shape.to_json()).digest == shape.digest


def test_the_digest_tells_types_apart_and_not_counts() -> None:
    once, twice = observe_shape([group(x=1)]), observe_shape([group(x=1), group(x=5)])

    assert once.digest == twice.digest != observe_shape([group(x="1")]).digest


def test_odd_keys_are_quoted_in_paths() -> None:
    assert path_text(("remote_data", "a.b", "[]", "c d")) == 'remote_data."a.b"[]."c d"'


@pytest.mark.parametrize(
    ("id_", "form"),
    [
        ("42", "digits"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "uuid"),
        ("507f1f77bcf86cd799439011", "hex"),
        ("grp_12", "grp_digits"),
        ("00g1emaKYZTWRYYRRTSK", "alnum"),
        ("gid://gitlab/Group/4", "url"),
        ("it@acme.example", "email"),
        ("cn=Admins,dc=acme", "dn"),
        ("team-platform", "word"),
        ("IT Ops", "text"),
    ],
)
def test_ids_have_a_form(id_: str, form: str) -> None:
    assert observe_shape([{"id": id_}]).counts.id_forms == {form: 1}


def test_group_types_are_counted_as_received() -> None:
    shape = observe_shape(
        [{"id": str(i), "group_type": t} for i, t in enumerate(["TEAM", "team", "x"])]
    )

    assert shape.counts.group_types == {"TEAM": 1, "team": 1, "x": 1}
    assert shape.counts.unmapped_count == 1


@pytest.mark.parametrize(
    ("steps", "new_types", "example"),
    [
        (("remote_data", "x"), (), '"text"'),
        (("remote_data", "x"), ("number",), "5"),
        (("remote_data", "m", "[]", "a.b"), (), "7"),
        (("remote_data", "map", "{}"), (), '"v"'),
        (("remote_data", "gone"), (), None),
    ],
)
def test_an_example_is_found_at_a_path(
    steps: tuple[str, ...], new_types: tuple[str, ...], example: str | None
) -> None:
    first = group(x="text", m=[{"a.b": None}, {"a.b": 7}], map={"17": "v"})
    finding = Finding(kind="type_changed", severity="warning", steps=steps, new_types=new_types)
    place = find_example_place(finding)
    with Staging() as staging:
        staging.land([StagedPage("a", 1, json.dumps([first, {**group(x=5), "id": "2"}]))])
        rows = staging.connection.execute(
            statement("profile/example_value"),
            {
                "integrated_account_id": "a",
                "path": place.path,
                "is_many": place.is_many,
                "types": list(place.types),
            },
        ).fetchall()

    assert rows == ([] if example is None else [(example,)])
