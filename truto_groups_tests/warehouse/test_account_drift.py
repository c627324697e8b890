"""The view account_drift: what stands, since when, and whose change it was.

Real: HTTP, DuckDB in a file, the syncs that lead there. Where a cause is tried that takes a day,
many audits or another version, the tables are changed by hand. The clock is the test's.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from truto_groups import schema
from truto_groups.defs.checks import CHECK_SPECS, evaluate_checks
from truto_groups.drift.attribution import ATTRIBUTION_TEXTS
from truto_groups.drift.findings import Finding, FindingKind, findings_to_json
from truto_groups.sync.accept import Acceptance, accept
from truto_groups.warehouse.database import Database
from truto_groups_tests.stand import (
    START,
    A,
    B,
    C,
    Row,
    Stand,
    group,
    groups_of,
    open_stand,
)
from truto_groups_tests.sync.histories import Histories, Past

# Each worker that has one of these would live through the histories for itself.
pytestmark = pytest.mark.long

HISTORIES = Histories()


@pytest.fixture(name="published", scope="module")
def provide_published(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """A and B have twenty groups, C has none; all are published."""
    with open_stand(tmp_path_factory.mktemp("published")) as stand:
        connect(stand)
        stand.discover()
        stand.sync(run_id="r0")
        stand.pass_time(hours=1)
    return stand


@pytest.fixture(name="three")
def provide_three(stand: Stand, published: Stand) -> Stand:
    """The same in a database of the test's own."""
    stand.go_on_from(published)
    connect(stand)
    return stand


def connect(stand: Stand) -> None:
    stand.put(A, groups_of(20), integration="okta", tenant_id="acme")
    stand.put(B, groups_of(20), integration="slack", tenant_id="globex")
    stand.put(C, [], integration="okta", tenant_id="acme")


def send(stand: Stand, groups: Sequence[Any], *, run_id: str, account: str = A) -> datetime:
    """Let an account send other groups, an hour later."""
    stand.put(account, groups)
    now = stand.pass_time(hours=1)
    stand.sync(account, run_id=run_id)
    return now


def drifting(run_id: str, **fields: Any) -> list[Row]:
    """Twenty groups whose names are news, so that each answer is audited."""
    return [group(number, f"{run_id} {number}", **fields) for number in range(20)]


def read_drift(stand: Stand, **wanted: Any) -> list[Row]:
    rows = stand.table("account_drift")
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


provide_past = HISTORIES.make_past()


def read_past(past: Past, account: str, **wanted: Any) -> list[Row]:
    return read_drift(past.stand, integrated_account_id=account, **wanted)


def day_of(number: int) -> datetime:
    """When all accounts are synced on a day, which counts from 1."""
    return START + timedelta(days=number - 1)


def read_since(stand: Stand, path: str) -> datetime:
    (row,) = read_drift(stand, path=path)
    return row["since"]


def test_the_view_has_the_columns_that_are_promised(three: Stand) -> None:
    with three.database.reading() as connection:
        found = connection.execute("DESCRIBE account_drift").fetchall()

    assert [(name, kind) for name, kind, *_ in found] == [
        (column.name, column.type.replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"))
        for column in schema.ACCOUNT_DRIFT.columns
    ]


def test_nothing_stands_against_accounts_that_are_as_they_were(three: Stand) -> None:
    assert read_drift(three) == []


NOTED = HISTORIES.add(groups_of(20), [group(n, note="x" if n < 15 else None) for n in range(20)])


def test_a_finding_stands_with_what_was_and_what_is(past: Past) -> None:
    (row,) = read_past(past, NOTED)

    assert row == {
        "integrated_account_id": NOTED,
        "partition_key": f"acme.okta.{NOTED[:8]}",
        "integration": "okta",
        "tenant_id": "acme",
        "path": "note",
        "kind": "field_added",
        "severity": "warning",
        "was": "not there",
        "now": "string in 20 of 20",
        "group_count": 20,
        "attributed_to": None,
        "since": day_of(2),
        "run_id": "run2",
    }


SEVERE = HISTORIES.add(groups_of(20), [{**group(0), "name": 7, "note": 1}, *groups_of(20)[1:]])
WARNED = HISTORIES.add(groups_of(20), [*groups_of(19), group(19, created_at="soon")])


def test_every_severity_is_shown_the_slight_ones_too(past: Past) -> None:
    found = {
        (row["path"], row["kind"], row["severity"], row["group_count"])
        for account in (SEVERE, WARNED)
        for row in read_past(past, account)
    }

    assert found == {
        ("name", "type_changed", "breaking", 1),
        ("note", "field_added", "information", 1),
        ("created_at", "instants_unreadable", "warning", 1),
    }


def test_entries_of_lists_are_no_more_than_the_groups_that_hold_them(three: Stand) -> None:
    send(three, drifting("r1", remote_data={"tags": ["a", "b", "c"]}), run_id="r1")
    accept_what_waits(three, A)
    send(three, drifting("r2", remote_data={"tags": [1, 2, 3]}), run_id="r2")

    (row,) = read_drift(three, kind="type_changed")

    assert (row["path"], row["group_count"]) == ("remote_data.tags[]", 20)


def accept_what_waits(stand: Stand, account: str) -> None:
    accept(
        stand.database,
        Acceptance([account], [], "meant", "me"),
        settings_for=lambda one: stand.session().settings.for_account(
            one.integrated_account_id, one.integration
        ),
        run_id="accepting",
        clock=lambda: stand.now,
    )


def test_what_is_accepted_or_gone_stands_no_longer(three: Stand) -> None:
    send(three, drifting("r1", note="new"), run_id="r1")
    send(three, drifting("r1", note="new"), run_id="r1", account=B)
    assert {row["integrated_account_id"] for row in read_drift(three)} == {A, B}

    accept_what_waits(three, A)
    assert {row["integrated_account_id"] for row in read_drift(three)} == {B}

    send(three, groups_of(20), run_id="r2", account=B)
    assert read_drift(three) == []


def test_nothing_stands_against_an_account_that_is_gone(three: Stand) -> None:
    send(three, drifting("r1", note="new"), run_id="r1")
    three.server.remove_account(A)
    three.discover()

    assert read_drift(three) == []


COLLAPSED = HISTORIES.add(groups_of(20), groups_of(1), [group(0, "Other")])
LET_THROUGH = HISTORIES.add(groups_of(20), groups_of(1), settings={"volume": {"hold_back": False}})


@pytest.mark.parametrize(
    ("account", "severity"),
    [(COLLAPSED, "breaking"), (LET_THROUGH, "warning")],
    ids=["held back", "published"],
)
def test_an_implausible_number_of_groups_stands_too(
    past: Past, account: str, severity: str
) -> None:
    (row,) = read_past(past, account, kind="volume")

    assert (row["severity"], row["path"], row["was"]) == (severity, None, "20 groups")
    assert row["now"].startswith("1 groups instead of 20")
    assert (row["group_count"], row["since"]) == (1, day_of(2))


def test_a_fall_after_the_settings_changed_is_of_our_settings(three: Stand) -> None:
    three.write_settings("defaults: {query: {name: x}}")
    send(three, groups_of(1), run_id="r1")

    (row,) = read_drift(three, kind="volume")

    assert row["attributed_to"] == "our_settings"


# Each of an integration of its own: what three accounts of one share is told in another way.
CAME_BACK = HISTORIES.add(
    groups_of(20),
    drifting("r1", note="new"),
    drifting("r2"),
    drifting("r3", note="new"),
    drifting("r4", note="new"),
    integration="jumpcloud",
)
NOT_AUDITED_ONCE = HISTORIES.add(
    groups_of(20),
    drifting("r1", note="new"),
    drifting("r1", note="new"),
    drifting("r3", note="new"),
    integration="onelogin",
)


def test_a_finding_stands_since_it_came_back(past: Past) -> None:
    (row,) = read_past(past, CAME_BACK, path="note")

    assert row["since"] == day_of(4)


def test_an_answer_that_was_not_audited_is_no_break(past: Past) -> None:
    (row,) = read_past(past, NOT_AUDITED_ONCE, path="note")

    assert row["since"] == day_of(2)


def test_pruning_changes_nothing_of_what_is_told(three: Stand) -> None:
    """The first of a stretch and the audit before it stay, whatever else is pruned."""
    fields: dict[str, Any] = {}
    expected: dict[str, datetime] = {}
    for number in range(8):
        if number in (1, 4):
            fields["note"] = "new"
        if number == 2:
            fields["other"] = "new"
        if number == 3:
            del fields["note"]
        if number == 5:
            repeat_audit(three, "p4", count=22)
        was = set(fields) & set(expected)
        now = send(three, drifting(f"p{number}", **fields), run_id=f"p{number}")
        expected = {name: expected[name] if name in was else now for name in fields}
        assert {name: read_since(three, name) for name in fields} == expected

    assert len(three.table("account_shapes", account=A)) < 8 + 22
    assert expected["note"] == START + timedelta(hours=6)
    assert expected["other"] == START + timedelta(hours=4)


def repeat_audit(stand: Stand, run_id: str, *, count: int) -> None:
    """Let as many audits as that have found the same since, a minute apart."""
    stand.write(
        "INSERT INTO account_shapes SELECT s.* REPLACE (run_id || '.' || n AS run_id, "
        "s.observed_at + INTERVAL 1 MINUTE * n AS observed_at) "
        "FROM account_shapes AS s, range(1, $count + 1) AS r(n) WHERE run_id = $run_id",
        run_id=run_id,
        count=count,
    )


@pytest.mark.parametrize(
    ("changes", "path", "kind", "attributed_to"),
    [
        ([], "remote_data.x", "field_gone", "vendor"),
        (["meta", "normalization"], "remote_data.x", "field_gone", "vendor"),
        (["settings"], "remote_data.x", "field_gone", None),
        (["meta"], "description", "field_gone", "truto_mapping"),
        (["override"], "description", "field_gone", "truto_mapping"),
        (["normalization"], "created_at", "instants_unreadable", "our_normalization"),
        (["normalization"], "description", "field_gone", None),
        (["settings"], "description", "field_gone", "our_settings"),
        (["meta", "settings"], "description", "field_gone", None),
        ([], "description", "field_gone", None),
    ],
)
def test_a_finding_is_of_what_changed_at_the_same_time(
    three: Stand, changes: list[str], path: str, kind: FindingKind, attributed_to: str | None
) -> None:
    write_findings(three, A, [finding(path, kind)], changes)

    (row,) = read_drift(three)

    assert row["attributed_to"] == attributed_to
    assert ATTRIBUTION_TEXTS[row["attributed_to"]]


def test_a_unified_field_follows_the_vendors_record(three: Stand) -> None:
    write_findings(three, A, [finding("description"), finding("remote_data.x")], [])

    assert [row["attributed_to"] for row in read_drift(three)] == ["vendor", "vendor"]


SHARED = {
    "all": (["jira"] * 3, 0, "whole_integration"),
    "of another integration": (["jumpcloud", "jumpcloud", "onelogin"], 0, None),
    "less than a fifth": (["gitlab"] * 3, 13, None),
}
"""The integrations of the accounts that drift, how many do not, and whose change it is."""


@pytest.fixture(name="sharing", scope="module")
def provide_sharing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The accounts of all cases, which share no integration that counts, with what drifted."""
    with open_stand(tmp_path_factory.mktemp("sharing")) as stand:
        drifting: list[str] = []
        for case, (integrations, steady, _) in enumerate(SHARED.values()):
            for number, integration in enumerate([*integrations, *integrations[:1] * steady]):
                key = f"{case}{number:07d}-0000-4000-8000-000000000009"
                stand.put(key, groups_of(2), integration=integration)
                if number < len(integrations):
                    drifting.append(key)
        stand.discover()
        stand.sync(run_id="m1")
        for key in drifting:
            write_findings(stand, key, [finding("description")], [])
        yield stand


@pytest.mark.parametrize("case", SHARED)
def test_what_many_accounts_of_an_integration_share_is_of_the_whole(
    sharing: Stand, case: str
) -> None:
    (integration, *_), _, attributed_to = SHARED[case]

    found = [row["attributed_to"] for row in read_drift(sharing, integration=integration)]

    assert len(found) == SHARED[case][0].count(integration)
    assert set(found) == {attributed_to}


def finding(path: str, kind: FindingKind = "field_gone") -> Finding:
    return Finding(
        kind=kind,
        severity="warning",
        path=path,
        now="not there",
        record_count=3,
        of=20,
        steps=tuple(path.split(".")),
    )


def write_findings(
    stand: Stand, account: str, findings: Sequence[Finding], changes: Sequence[str]
) -> None:
    """Add an audit that found this, and what else changed since the baseline."""
    now = stand.pass_time(hours=1)
    stand.write(
        "INSERT INTO account_shapes SELECT * REPLACE ('audit' AS run_id, $now AS observed_at, "
        "FALSE AS is_baseline, $findings::JSON AS findings, "
        "CASE WHEN $other_settings THEN 'other' ELSE settings_digest END AS settings_digest, "
        "normalization_version - $older::INTEGER AS normalization_version) "
        "FROM account_shapes WHERE integrated_account_id = $id AND is_baseline",
        now=now,
        findings=findings_to_json(findings),
        other_settings="settings" in changes,
        older="normalization" in changes,
        id=account,
    )
    if "override" in changes:
        stand.write("UPDATE account_state SET override_changed_at = $now", now=now)
    if "meta" in changes:
        stand.write(
            "INSERT INTO integration_contracts BY NAME SELECT 'okta' AS integration, "
            "'field' AS kind, 'description' AS name, FALSE AS is_required, "
            "$now::TIMESTAMPTZ - INTERVAL 9 DAYS AS first_seen_at, $now AS gone_at",
            now=now,
        )


def test_the_checks_show_its_breaking_and_warning_rows_and_no_others(three: Stand) -> None:
    remote = {"id": 7, "size": {"x": 1}}
    odd = group(0, group_type="squad", created_at="soon", updated_at=[1], note="x")
    send(three, [odd, *drifting("r1", remote_data=remote, note="x")[1:]], run_id="r1")
    send(three, [{"id": None, "name": 1}, {"id": "g1", "name": {}}, 5], run_id="r1", account=B)
    send(three, groups_of(3), run_id="r1", account=C)

    results = {
        result.check_name: cast(list[dict[str, Any]], result.metadata["what_to_do"].value)
        for result in evaluate_checks(three.session(), [spec.key for spec in CHECK_SPECS])
        if not result.passed
    }

    told = [row for row in read_drift(three) if row["severity"] != "information"]
    kinds = {row["kind"] for row in told}
    assert {"type_changed", "instants_unreadable", "group_types_unmapped", "id_missing"} <= kinds
    of_drift = [row for row in told if row["kind"] not in ("group_types_unmapped", "volume")]
    assert sorted(
        (row["path"] or "", row["change"]) for row in results["no_unaccepted_drift"]
    ) == sorted((row["path"] or "", row["kind"]) for row in of_drift)
    problems = [str(row["what"]) for row in results["groups_match_contract"]]
    for row in told:
        if row["severity"] == "breaking" and row["kind"] != "volume":
            assert any(row["now"] in problem for problem in problems), row
    assert any("not mapped" in problem for problem in problems)
    assert ("volume" in kinds) == ("group_counts_are_plausible" in results)


def test_a_database_without_the_view_gets_it(three: Stand) -> None:
    send(three, drifting("r1", note="new"), run_id="r1")
    three.write("DROP VIEW account_drift")

    three.database = Database(three.database.location)
    three.sync(A, run_id="r2")

    assert [row["path"] for row in read_drift(three)] == ["note"]
