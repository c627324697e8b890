"""The audit: a shape against baseline and history, made of structures as DuckDB tells them."""

import json
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pytest

from truto_groups.drift.audit import PastSync, audit
from truto_groups.drift.findings import ADVICE, Finding, findings_from_json, findings_to_json, worst
from truto_groups.drift.profile import shape_of
from truto_groups.drift.shape import LandedCounts, Shape

TEXT, NUMBER, NULL = "VARCHAR", "UBIGINT", "NULL"


def make_shape(*records: tuple[Mapping[str, Any], int], **counts: Any) -> Shape:
    """A shape of so many records of each remote_data."""
    structures = [
        (json.dumps({"id": TEXT, "name": TEXT, "remote_data": remote_data}), count)
        for remote_data, count in records
    ]
    of = sum(count for _, count in records)
    return shape_of(structures, LandedCounts(record_count=of, **counts))


def field_in(count: int, of: int, *, rest: Mapping[str, Any] | None = None) -> Shape:
    """So many records of which so many have a text at remote_data.x."""
    return make_shape(
        *[(r, n) for r, n in (({"x": TEXT}, count), (rest or {"y": TEXT}, of - count)) if n]
    )


def unified(**fields: Any) -> Shape:
    structure = {"id": TEXT, "name": TEXT, "created_at": TEXT, "remote_data": {"a": TEXT}, **fields}
    return shape_of([(json.dumps(structure), 10)], LandedCounts(record_count=10))


def at(findings: Sequence[Finding], path: str) -> list[tuple[str, str]]:
    return [(f.kind, f.severity) for f in findings if f.path == path]


def test_the_same_shape_has_no_findings() -> None:
    assert audit(field_in(5, 10), baseline=field_in(5, 10)) == []


@pytest.mark.parametrize(
    ("field", "structure"),
    [
        *product(("id", "name", "created_at"), (NUMBER, "BOOLEAN", [TEXT], {"value": TEXT})),
        *product(("remote_data",), (TEXT, NUMBER, [TEXT])),
    ],
)
def test_a_unified_field_that_changed_its_json_type_is_breaking(field: str, structure: Any) -> None:
    findings = audit(unified(**{field: structure}), baseline=unified())

    assert ("type_changed", "breaking") in at(findings, field)


ALL_OR_NOTHING = {
    "gone": ({"x": TEXT, "y": TEXT}, {"y": TEXT}),
    "added": ({"y": TEXT}, {"x": TEXT, "y": TEXT}),
    "null": ({"x": TEXT, "y": TEXT}, {"x": NULL, "y": TEXT}),
}


@pytest.mark.parametrize(("was", "now"), ALL_OR_NOTHING.values(), ids=ALL_OR_NOTHING.keys())
@pytest.mark.parametrize("count", [2, 3, 5, 8, 40])
def test_what_all_records_had_and_none_has_warns_in_small_accounts_too(
    was: Mapping[str, Any], now: Mapping[str, Any], count: int
) -> None:
    findings = audit(make_shape((now, count)), baseline=make_shape((was, count)))

    assert [severity for _, severity in at(findings, "remote_data.x")] == ["warning"]


@pytest.mark.parametrize(("was", "now"), ALL_OR_NOTHING.values(), ids=ALL_OR_NOTHING.keys())
def test_one_record_is_no_witness(was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for counts in ((1, 1), (1, 3), (3, 1)):
        findings = audit(make_shape((now, counts[1])), baseline=make_shape((was, counts[0])))
        assert [severity for _, severity in at(findings, "remote_data.x")] == ["information"]


def test_what_was_all_or_nothing_before_may_be_so_again() -> None:
    had, has_not = make_shape(({"x": TEXT, "y": TEXT}, 4)), make_shape(({"y": TEXT}, 4))

    findings = audit(has_not, baseline=had, history=[PastSync(has_not)])

    assert [severity for _, severity in at(findings, "remote_data.x")] == ["information"]


@pytest.mark.parametrize("field", ["created_at", "updated_at", "group_type"])
@pytest.mark.parametrize("structure", ["BOOLEAN", {"value": TEXT}, [TEXT]])
def test_on_a_first_sync_a_field_that_is_read_whatever_comes_breaks_nothing(
    field: str, structure: Any
) -> None:
    """What is no instant becomes null, and what is no group_type becomes unmapped."""
    assert at(audit(unified(**{field: structure}), baseline=None), field) == []


def test_one_retyped_record_of_many_is_breaking() -> None:
    good = json.dumps({"id": TEXT, "name": TEXT})
    bad = json.dumps({"id": TEXT, "name": {"first": TEXT}})
    baseline = shape_of([(good, 5000)], LandedCounts(record_count=5000))
    observed = shape_of([(good, 4999), (bad, 1)], LandedCounts(record_count=5000))

    (finding,) = audit(observed, baseline=baseline)

    assert (finding.kind, finding.severity, finding.record_count) == ("type_changed", "breaking", 1)


@pytest.mark.parametrize("field", ["name", "created_at", "remote_data"])
def test_null_is_no_change_of_type(field: str) -> None:
    assert worst(audit(unified(**{field: NULL}), baseline=unified())) != "breaking"
    assert worst(audit(unified(), baseline=unified(**{field: NULL}))) != "breaking"


def test_a_field_that_was_null_in_the_baseline_is_of_the_type_it_had_since() -> None:
    baseline, since = unified(created_at=NULL), unified(created_at=TEXT)

    findings = audit(unified(created_at=NUMBER), baseline=baseline, history=[PastSync(since)])

    assert at(findings, "created_at") == [("type_changed", "breaking")]


def test_missing_ids_and_records_that_are_no_objects_are_breaking() -> None:
    shape = shape_of(
        [(json.dumps({"id": TEXT}), 8), ('"VARCHAR"', 1), (json.dumps({"id": NULL}), 1)],
        LandedCounts(record_count=10, missing_id_count=2),
    )

    findings = audit(shape, baseline=None)

    assert at(findings, "") == [("not_an_object", "breaking")]
    assert at(findings, "id") == [("id_missing", "breaking")]


def test_a_first_sync_is_judged_by_the_contract_alone() -> None:
    assert audit(unified(), baseline=None) == []
    assert audit(unified(id=NUMBER, created_at=NUMBER), baseline=None) == []
    (finding,) = audit(unified(name=[TEXT]), baseline=None)
    assert (finding.kind, finding.severity, finding.path) == ("type_changed", "breaking", "name")
    assert finding.was == "number or string (documented)"


def test_an_accepted_type_is_no_longer_breaking() -> None:
    odd = unified(name=[TEXT])

    assert audit(odd, baseline=odd) == []


def test_the_first_groups_of_an_empty_account_are_no_drift() -> None:
    empty = shape_of([], LandedCounts(record_count=0))

    assert audit(field_in(10, 10), baseline=empty, history=[PastSync(empty)]) == []
    gone = audit(field_in(0, 10), baseline=empty, history=[PastSync(field_in(10, 10))])
    assert ("field_gone", "warning") in at(gone, "remote_data.x")


def test_one_of_three_that_becomes_none_of_three_is_information() -> None:
    findings = audit(field_in(0, 3), baseline=field_in(1, 3))

    assert at(findings, "remote_data.x") == [("field_gone", "information")]


@pytest.mark.parametrize("size", [10, 200, 5000])
def test_a_field_gone_from_all_records_warns(size: int) -> None:
    findings = audit(field_in(0, size), baseline=field_in(size, size))

    assert at(findings, "remote_data.x") == [("field_gone", "warning")]


def test_a_field_added_to_all_records_warns_and_to_one_is_information() -> None:
    assert at(audit(field_in(50, 50), baseline=field_in(0, 50)), "remote_data.x") == [
        ("field_added", "warning")
    ]
    assert at(audit(field_in(1, 50), baseline=field_in(0, 50)), "remote_data.x") == [
        ("field_added", "information")
    ]


def test_a_key_that_was_always_null_is_missed_by_nobody() -> None:
    baseline = make_shape(({"x": NULL, "y": TEXT}, 500))

    findings = audit(make_shape(({"y": TEXT}, 500)), baseline=baseline)

    assert at(findings, "remote_data.x") == [("field_gone", "information")]


@pytest.mark.parametrize("rest", [{"x": NULL}, {"y": TEXT}], ids=["null", "missing"])
def test_a_share_of_nulls_that_jumped_warns(rest: Mapping[str, Any]) -> None:
    findings = audit(field_in(120, 200, rest=rest), baseline=field_in(200, 200))

    assert at(findings, "remote_data.x") == [("null_share_jumped", "warning")]


def test_a_share_that_is_certain_but_small_is_information() -> None:
    findings = audit(field_in(4900, 5000), baseline=field_in(5000, 5000))

    assert at(findings, "remote_data.x") == [("null_share_jumped", "information")]


def test_fewer_nulls_hurt_nobody() -> None:
    findings = audit(field_in(200, 200), baseline=field_in(100, 200, rest={"x": NULL}))

    assert at(findings, "remote_data.x") == [("null_share_jumped", "information")]


def test_what_came_and_went_before_may_do_so_again() -> None:
    baseline, observed = field_in(180, 200), field_in(60, 200)

    assert worst(audit(observed, baseline=baseline)) == "warning"
    history = [PastSync(field_in(70, 200)), PastSync(field_in(180, 200))]
    assert worst(audit(observed, baseline=baseline, history=history)) in (None, "information")


def test_a_drift_stays_until_it_is_gone_or_accepted() -> None:
    baseline, drifted = field_in(200, 200), field_in(60, 200)
    history: list[PastSync] = []
    for _ in range(5):
        findings = audit(drifted, baseline=baseline, history=history)
        assert worst(findings) == "warning"
        history.append(PastSync(drifted, findings))

    assert audit(baseline, baseline=baseline, history=history) == []
    assert audit(drifted, baseline=drifted, history=history) == []


def test_a_handful_of_records_explains_nothing_when_there_are_better_witnesses() -> None:
    history = [PastSync(field_in(1000, 1000))]

    findings = audit(field_in(600, 1000), baseline=field_in(2, 2), history=history)

    assert at(findings, "remote_data.x") == [("null_share_jumped", "warning")]


def test_one_retyped_value_inside_remote_data_warns() -> None:
    baseline = make_shape(({"x": TEXT}, 1000))
    observed = make_shape(({"x": TEXT}, 999), ({"x": NUMBER}, 1))

    (finding,) = audit(observed, baseline=baseline)

    assert (finding.kind, finding.severity, finding.path) == (
        "type_changed",
        "warning",
        "remote_data.x",
    )
    assert finding.new_types == ("number",)


def test_a_value_that_was_of_several_types_may_be_of_another() -> None:
    baseline = make_shape(({"x": TEXT}, 5), ({"x": NUMBER}, 5))

    findings = audit(make_shape(({"x": "BOOLEAN"}, 1), ({"x": TEXT}, 9)), baseline=baseline)

    assert at(findings, "remote_data.x") == [("type_changed", "information")]


def test_inside_of_lists_one_new_type_is_information_and_all_of_them_warn() -> None:
    baseline = make_shape(({"m": [{"v": TEXT}]}, 50))
    one = make_shape(({"m": [{"v": TEXT}]}, 49), ({"m": [{"v": NUMBER}]}, 1))
    all_ = make_shape(({"m": [{"v": NUMBER}]}, 50))

    assert at(audit(one, baseline=baseline), "remote_data.m[].v") == [
        ("type_changed", "information")
    ]
    assert at(audit(all_, baseline=baseline), "remote_data.m[].v") == [("type_changed", "warning")]


def test_an_empty_object_in_a_list_is_no_news_where_objects_are_known() -> None:
    baseline = make_shape(({"m": [{"p": {"a": TEXT}}]}, 50))

    findings = audit(make_shape(({"m": [{"p": "JSON"}]}, 50)), baseline=baseline)

    assert findings == []


def test_what_is_around_a_path_is_told_once() -> None:
    baseline = make_shape(({"o": {"a": {"b": TEXT}}}, 50))

    for observed in (make_shape(({"z": TEXT}, 50)), make_shape(({"o": NULL}, 50))):
        findings = audit(observed, baseline=baseline)
        assert [f.path for f in findings if f.path.startswith("remote_data.o")] == ["remote_data.o"]


def test_lists_that_are_empty_today_are_no_drift() -> None:
    baseline = make_shape(({"m": [{"a": TEXT}]}, 50))

    assert audit(make_shape(({"m": [NULL]}, 50)), baseline=baseline) == []


def test_other_keys_of_a_map_are_no_drift() -> None:
    baseline = make_shape(({"m": {"12": {"a": TEXT}}}, 50))

    assert audit(make_shape(({"m": {"99": {"a": TEXT}, "7": NULL}}, 50)), baseline=baseline) == []


def values(**counts: Any) -> Shape:
    structure = json.dumps({"id": TEXT, "group_type": TEXT, "created_at": TEXT})
    of = counts.pop("of", 100)
    return shape_of([(structure, of)], LandedCounts(record_count=of, **counts))


def test_a_group_type_never_seen_warns_and_a_documented_one_is_information() -> None:
    baseline = values(group_types={"team": 60, "CREW": 40})

    found = audit(values(group_types={"Team": 98, "SQUAD": 1, "product": 1}), baseline=baseline)

    assert sorted(at(found, "group_type")) == [
        ("new_group_type", "information"),
        ("new_group_type", "warning"),
    ]
    assert "`SQUAD` in 1 of 100" in next(f.now for f in found if f.severity == "warning")


def test_free_text_as_group_type_never_looks_complete() -> None:
    baseline = values(group_types={f"type {i}": 1 for i in range(60)})

    found = audit(values(group_types={"type 99": 1}), baseline=baseline)

    assert at(found, "group_type") == [("new_group_type", "information")]


@pytest.mark.parametrize(
    "types",
    [{"A": 2, "B": 2}, {"A": 20, "B": 6, "C": 1, "D": 1, "E": 1}],
    ids=["few records", "many seen once"],
)
def test_a_list_of_group_types_that_looks_open_is_no_news(types: dict[str, int]) -> None:
    baseline = values(group_types=types, of=sum(types.values()))

    found = audit(values(group_types={"Z": 4}, of=4), baseline=baseline)

    assert at(found, "group_type") == [("new_group_type", "information")]


def test_a_group_type_new_to_a_handful_of_groups_is_information() -> None:
    found = audit(values(group_types={"B": 1}, of=1), baseline=values(group_types={"A": 1}, of=1))

    assert at(found, "group_type") == [("new_group_type", "information")]


def test_one_instant_that_can_no_longer_be_read_warns() -> None:
    found = audit(values(unreadable_instants={"created_at": 1}), baseline=values())

    assert at(found, "created_at") == [("instants_unreadable", "warning")]


def test_instants_that_could_not_be_read_before_are_no_news_until_they_are_more() -> None:
    baseline = values(unreadable_instants={"created_at": 10})

    assert audit(values(unreadable_instants={"created_at": 12}), baseline=baseline) == []
    found = audit(values(unreadable_instants={"created_at": 60}), baseline=baseline)
    assert at(found, "created_at") == [("instants_unreadable", "warning")]


def test_unreadable_instants_of_a_first_sync_warn() -> None:
    found = audit(values(unreadable_instants={"created_at": 5}), baseline=None)

    assert at(found, "created_at") == [("instants_unreadable", "warning")]


@pytest.mark.parametrize("size", [1, 100])
def test_ids_of_another_machine_form_warn_in_any_account(size: int) -> None:
    baseline = values(id_forms={"digits": size}, of=size)

    found = audit(values(id_forms={"uuid": size}, of=size), baseline=baseline)

    assert at(found, "id") == [("id_form_changed", "warning")]


def test_ids_that_happen_to_have_no_letters_are_of_the_form_they_were() -> None:
    baseline = values(id_forms={"hex": 100})

    assert audit(values(id_forms={"hex": 98, "digits": 2}), baseline=baseline) == []


def test_one_id_of_another_form_is_information() -> None:
    found = audit(
        values(id_forms={"digits": 99, "uuid": 1}), baseline=values(id_forms={"digits": 100})
    )

    assert at(found, "id") == [("id_form_changed", "information")]


def test_unmapped_types_beyond_the_limit_warn() -> None:
    shape = values(unmapped_count=20)

    assert at(audit(shape, baseline=shape, unmapped_limit=0.1), "group_type") == [
        ("group_types_unmapped", "warning")
    ]
    assert audit(shape, baseline=shape, unmapped_limit=0.2) == []
    assert audit(shape, baseline=shape) == []


def test_an_id_with_two_contents_is_told_until_it_is_usual() -> None:
    shape = values(duplicate_id_count=3, differing_id_count=1)

    assert sorted(at(audit(shape, baseline=values()), "id")) == [
        ("duplicate_ids", "information"),
        ("duplicate_ids_differ", "warning"),
    ]
    assert worst(audit(shape, baseline=shape)) == "information"


def test_the_worst_comes_first() -> None:
    findings = audit(unified(name=[TEXT], remote_data={"b": TEXT}), baseline=unified())

    assert [f.severity for f in findings] == sorted(
        (f.severity for f in findings), key=("breaking", "warning", "information").index
    )
    assert worst(findings) == "breaking"


def test_findings_survive_json_and_speak_to_people() -> None:
    findings = audit(field_in(0, 10), baseline=field_in(10, 10))

    assert findings_from_json(findings_to_json(findings)) == findings
    told = next(f for f in findings if f.kind == "field_gone")
    assert told.message == ("Field is gone, `remote_data.x`: was string in 10 of 10, is not there.")
    assert told.advice == ADVICE["field_gone"]
