"""What each check says, always of several accounts at once, one of which has no groups.

Real: HTTP, DuckDB, the syncs that lead there; the checks are asked directly, because what Dagster
does with their results is test_assets.py's. The clock is the test's.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest
import yaml

from truto_groups.defs.check_results import AccountProblem, CheckVerdict, lay_out, say_headline
from truto_groups.defs.checks import CHECK_SPECS, evaluate_checks
from truto_groups.defs.dagster_internals import DEFAULT_LOCATION
from truto_groups.drift.attribution import ATTRIBUTION_TEXTS, Attribution
from truto_groups.errors import DatabaseError
from truto_groups.sync.waiting import read_pending
from truto_groups_tests.stand import KEYS, A, B, C, D, Stand, group, groups_of, id_of, open_stand

pytestmark = pytest.mark.long

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
BY_NAME = {spec.name: spec.key for spec in CHECK_SPECS}


def check(stand: Stand, name: str) -> dg.AssetCheckResult:
    (result,) = evaluate_checks(stand.session(), [BY_NAME[name]])
    assert result.check_name == name
    return result


def failing(result: dg.AssetCheckResult) -> list[str]:
    """The accounts that a check names, in its table and in its description."""
    if result.passed:
        assert "what_to_do" not in result.metadata
        return []
    rows = rows_of(result)
    keys = list(dict.fromkeys(str(row["account"]) for row in rows))
    assert result.metadata["failing_accounts"].value == len(keys)
    assert all(key in (result.description or "") for key in keys)
    assert all(row.get("do") for row in rows)
    return [id_of(key) for key in keys]


def rows_of(result: dg.AssetCheckResult) -> Sequence[Any]:
    found = result.metadata["what_to_do"]
    assert isinstance(found, dg.JsonMetadataValue)
    return cast(Sequence[Any], found.value)


def connect_three_accounts(stand: Stand) -> None:
    stand.put(A, groups_of(20))
    stand.put(B, groups_of(20))
    stand.put(C, [])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    with open_stand(tmp_path_factory.mktemp("published")) as stand:
        connect_three_accounts(stand)
        stand.discover()
        assert set(stand.outcomes(run_id="r0").values()) == {"published"}
        stand.pass_time(hours=1)
    return stand


@pytest.fixture(name="stand")
def provide_stand(tmp_path: Path, published: Stand) -> Iterator[Stand]:
    """A and B have twenty groups, C has none; all are published."""
    with go_on(tmp_path, published) as stand:
        yield stand


@contextmanager
def go_on(folder: Path, other: Stand) -> Iterator[Stand]:
    """A stand of its own that begins where another one is."""
    with open_stand(folder) as stand:
        connect_three_accounts(stand)
        stand.go_on_from(other)
        yield stand


def test_all_checks_pass_on_good_data_with_an_account_that_has_no_groups(stand: Stand) -> None:
    results = evaluate_checks(stand.session(), list(BY_NAME.values()))
    assert {result.check_name for result in results} == set(BY_NAME)
    assert [result.check_name for result in results if not result.passed] == []


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, published: Stand) -> Stand:
    with go_on(tmp_path_factory.mktemp("broken"), published) as stand:
        stand.write("DROP TABLE groups; DROP TABLE account_shapes; DROP TABLE integrated_accounts")
    return stand


@pytest.mark.parametrize("name", BY_NAME)
def test_a_check_that_cannot_run_raises(broken: Stand, name: str) -> None:
    with pytest.raises(DatabaseError):
        check(broken, name)


# The check groups_match_contract.


def test_a_broken_contract_is_an_error_while_it_holds_an_account_back(stand: Stand) -> None:
    bad = {A: {**group(1), "id": None}, B: {**group(0), "name": 7}}
    for key, one in bad.items():
        stand.put(key, [one, *groups_of(20)[1:]])
    assert stand.outcomes(run_id="r1") == {A: "held_back", B: "held_back", C: "unchanged"}
    result = check(stand, "groups_match_contract")
    assert set(failing(result)) == {A, B}
    assert result.severity == ERROR
    told = {id_of(row["account"]): row["what"] for row in rows_of(result)}
    assert len(rows_of(result)) == 2
    assert {key for key, what in told.items() if what.startswith("Held back: ")} == {A, B}
    assert ("`id`" in told[A], "`name`" in told[B]) == (True, True)
    connect_three_accounts(stand)
    stand.pass_time(hours=1)
    stand.sync(A, B, run_id="r2")
    assert check(stand, "groups_match_contract").passed


def test_softer_breaches_of_the_contract_publish_and_warn(stand: Stand) -> None:
    stand.put(A, [group(0, created_at="yesterday"), *groups_of(20)[1:]])
    stand.put(B, [group(0, group_type="squad"), *groups_of(20)[1:]])
    assert stand.outcomes(A, B, run_id="r1") == {A: "published", B: "published"}
    result = check(stand, "groups_match_contract")
    assert set(failing(result)) == {A, B}
    assert result.severity == WARN
    told = {id_of(row["account"]): row["what"] for row in rows_of(result)}
    assert len(rows_of(result)) == 2
    assert all(word in told[A] for word in ("`created_at`", "1 of 20")), told[A]
    assert all(word in told[B] for word in ("squad", "1 of 20")), told[B]


def test_only_types_that_are_not_mapped_are_named_the_most_frequent_first(stand: Stand) -> None:
    types = ["Department", "Group", "PRODUCT", "TEAM", "department", "zzz", "squad", "squad"]
    stand.put(A, [group(number, group_type=name) for number, name in enumerate(types)])
    stand.write_settings("defaults: {volume: {max_fall: 1}}")
    stand.sync(A, run_id="r1")
    (row,) = rows_of(check(stand, "groups_match_contract"))
    assert "3 of 8 groups have a type that is not mapped (squad, zzz)" in row["what"]


def test_exactly_the_share_of_unmapped_types_that_the_settings_allow_is_no_breach(
    stand: Stand,
) -> None:
    """In floating-point numbers 0.29 * 100 is less than 29."""
    stand.put(A, [group(0, group_type="squad"), *groups_of(20)[1:]])
    squads = [group(number, group_type="squad") for number in range(29)]
    stand.put(B, [*squads, *groups_of(100)[29:]])
    stand.sync(A, B, run_id="r1")

    def judge(of_a: float, of_b: float) -> list[str]:
        limits = {A: {"unmapped_limit": of_a}, B: {"unmapped_limit": of_b}}
        stand.write_settings(yaml.safe_dump({"accounts": limits}))
        return failing(check(stand, "groups_match_contract"))

    assert judge(0.05, 0.29) == []
    assert judge(0.04, 0.29) == [A]
    assert judge(0.05, 0.28) == [B]


# The check no_unaccepted_drift.


def test_drift_is_a_warning_that_names_path_before_and_after_and_stays(stand: Stand) -> None:
    changed = [group(n, remote_data={"id": f"g{n}", "size": str(n)}) for n in range(20)]
    stand.put(A, changed)
    stand.sync(A, run_id="r1")
    result = check(stand, "no_unaccepted_drift")
    assert failing(result) == [A]
    assert result.severity == WARN
    (row,) = rows_of(result)
    assert row["path"] == "remote_data.size"
    assert (row["was"], row["now"]) == ("number in 20 of 20", "string in 20 of 20")
    stand.pass_time(hours=6)
    stand.sync(A, run_id="r2")
    assert failing(check(stand, "no_unaccepted_drift")) == [A]
    stand.put(A, groups_of(20))
    stand.pass_time(hours=6)
    stand.sync(A, run_id="r3")
    assert check(stand, "no_unaccepted_drift").passed


def test_drift_is_told_with_an_example_since_when_and_whose_it_is(stand: Stand) -> None:
    first = stand.pass_time(hours=6)
    stand.put(A, [group(n, remote_data={"id": f"g{n}", "size": f"size {n}"}) for n in range(20)])
    stand.sync(A, run_id="r1")
    stand.pass_time(hours=6)
    stand.put(A, [group(n, remote_data={"id": f"g{n}", "size": f"size {n}!"}) for n in range(20)])
    stand.sync(A, run_id="r2")
    (row,) = rows_of(check(stand, "no_unaccepted_drift"))
    assert str(row["example"]).startswith('"size ')
    assert row["since"] == first.isoformat(timespec="seconds")
    assert row["whose"] == "The vendor's own data changed."


def lines_of(result: dg.AssetCheckResult) -> list[list[str]]:
    """The cells of the table that a check begins with, header and rows."""
    lines = [line for line in str(result.description).split("\n") if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines if "---" not in line]


def accept_config(text: str) -> dict[str, Any]:
    """The configuration of the first launchpad that a text leads to, as the UI reads it."""
    (address, *_) = re.findall(r"\]\((/locations/[^)]+)\)", text)
    route = urlsplit(address)
    assert route.path == "/locations/__repository__@truto_groups/jobs/accept_drift/playground/setup"
    (config,) = parse_qs(route.query)["config"]
    # Left empty: the cursor of who fills it in needs to take nothing away.
    assert "reason:\n" in config
    return yaml.safe_load(config)["ops"]["accept"]["config"]


def let_drift(stand: Stand, *accounts: str) -> None:
    for key in accounts:
        stand.put(key, [group(n, remote_data={"id": f"g{n}", "size": str(n)}) for n in range(20)])
    stand.sync(*accounts, run_id="drifted")


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory, published: Stand) -> Stand:
    """The size of A's and of B's groups has become a text; nothing more is written here."""
    with go_on(tmp_path_factory.mktemp("drifted"), published) as stand:
        let_drift(stand, A, B)
    return stand


def test_a_check_says_who_what_since_when_and_what_to_do_before_all_else(drifted: Stand) -> None:
    header, row, _ = lines_of(check(drifted, "no_unaccepted_drift"))
    assert header == ["account", "what", "since", "do"]
    assert row[0] == f"[{KEYS[A]}](/assets/groups?view=partitions&partition={KEYS[A]})"
    assert "remote\\_data.size" in row[1]
    assert row[2] == "01\u00a0Mar\u00a02026 13:00\u00a0UTC"
    assert "accept it" in row[3]


def test_an_account_that_drifts_in_many_places_has_one_row_and_the_rest_in_details(
    stand: Stand,
) -> None:
    remote = {f"field{n}": n for n in range(5)}
    stand.put(A, [group(n, remote_data={"id": f"g{n}", **remote}) for n in range(20)])
    stand.sync(A, run_id="r1")
    result = check(stand, "no_unaccepted_drift")
    _, row = lines_of(result)
    assert "And 5 more: see details." in row[1]
    details = str(result.metadata["details"].value)
    assert all(f"remote\\_data.field{n} |" in details for n in range(5))


def test_the_worst_comes_first_and_then_what_concerns_most_groups(stand: Stand) -> None:
    """By path the harmless first letter of the alphabet once hid the field that all had lost."""
    few = [{"id": f"g{n}", "size": str(n) if n < 15 else n, "added": n} for n in range(20)]
    stand.put(A, [group(n, remote_data=remote) for n, remote in enumerate(few)])
    lost = [{"id": f"g{n}", "added": n} for n in range(20)]
    stand.put(B, [group(n, remote_data=remote) for n, remote in enumerate(lost)])
    stand.sync(run_id="r1")
    result = check(stand, "no_unaccepted_drift")
    assert failing(result) == [B, A]
    assert [(id_of(row["account"]), row["path"]) for row in rows_of(result)] == [
        (B, "remote_data.size"),
        (B, "remote_data.added"),
        (A, "remote_data.size"),
        (A, "remote_data.added"),
    ]


def test_a_finding_that_the_view_does_not_know_is_told_all_the_same(
    stand: Stand, drifted: Stand
) -> None:
    stand.go_on_from(drifted)
    stand.write(
        "CREATE OR REPLACE VIEW account_drift AS SELECT '' AS integrated_account_id, '' AS kind, "
        "'' AS path, now() AS since, NULL AS attributed_to WHERE FALSE"
    )
    rows = rows_of(check(stand, "no_unaccepted_drift"))
    assert [id_of(row["account"]) for row in rows] == [A, B]
    for row in rows:
        assert row["path"] == "remote_data.size"
        assert row["since"] == "2026-03-01T13:00:00+00:00"
        assert row["whose"] == ATTRIBUTION_TEXTS[None]


@pytest.mark.parametrize(
    "change",
    [
        """findings = '[{"kind": "of_tomorrow", "severity": "warning", "path": "x"}]'""",
        "findings = '7'",
        """findings = '{"a": 1}'""",
        "examples = '[1]'",
        "told_filters = '{}'",
        "shape = '{}'",
        "shape = '7'",
    ],
)
def test_what_cannot_be_read_of_one_account_is_its_problem_and_ends_no_check(
    stand: Stand, drifted: Stand, change: str
) -> None:
    stand.go_on_from(drifted)
    stand.write(
        f"UPDATE account_shapes SET {change} "  # noqa: S608
        "WHERE integrated_account_id = $id AND NOT is_baseline",
        id=B,
    )
    results = {one.check_name: one for one in evaluate_checks(stand.session(), BY_NAME.values())}
    assert len(results) == len(CHECK_SPECS)
    assert failing(results["groups_match_contract"]) == [B]
    assert set(failing(results["no_unaccepted_drift"])) == {A, B}
    told = {id_of(row["account"]): row for row in rows_of(results["no_unaccepted_drift"])}
    assert told[B]["what"] == "What its last audit found cannot be read."
    document = Path(__file__).parents[2] / "docs" / "checks.md"
    assert told[B]["what"] in document.read_text(encoding="utf-8")
    assert told[A]["path"] == "remote_data.size"


def test_no_word_of_the_table_is_too_long_for_a_page(stand: Stand) -> None:
    more = {"alpha_beta_gamma_delta_epsilon_zeta_eta": 1}
    remote = [{"id": f"g{n}", "size": n, **more} for n in range(20)]
    groups = [group(n, remote_data=one) for n, one in enumerate(remote)]
    stand.put(A, groups, context={"label": "x" * 500})
    stand.discover()
    stand.sync(A, run_id="r1")
    _, row = lines_of(check(stand, "no_unaccepted_drift"))
    text = " ".join(re.sub(r"\]\([^)]*\)", "", cell) for cell in row).replace("\\", "")
    assert max(len(word) for word in text.split()) <= 34
    assert "(x" in text
    assert re.search("`remote_data[^ ]*…[^ ]*zeta_eta`", text)


def test_beside_a_long_key_words_are_shorter_because_all_share_one_page(stand: Stand) -> None:
    stand.put(D, groups_of(20), tenant_id="x" * 40)
    stand.discover()
    stand.sync(D, run_id="r1")
    more = {"alpha_beta_gamma_delta_epsilon_zeta_eta": 1}
    groups = [group(n, remote_data={"id": f"g{n}", "size": n, **more}) for n in range(20)]
    stand.put(D, groups, tenant_id="x" * 40)
    stand.sync(D, run_id="r2")
    _, row = lines_of(check(stand, "no_unaccepted_drift"))
    words = row[1].replace("\\", "").split()
    assert max(map(len, words)) <= 24


def test_more_accounts_than_a_page_shows_are_said_with_how_to_see_them(stand: Stand) -> None:
    keys = [f"{number:08x}-0000-4000-8000-000000000009" for number in range(61)]
    for key in keys:
        stand.put(key, groups_of(1))
    stand.discover()
    stand.pass_time(days=2)
    result = check(stand, "every_account_is_fresh")
    lines = lines_of(result)
    assert len(lines) == 1 + 20
    assert str(result.description).endswith("\n\nand 44 more: `truto-groups status --state stale`")
    assert len(rows_of(result)) == 64


def test_one_link_opens_the_launchpad_filled_in_but_for_reason_and_name(drifted: Stand) -> None:
    result = check(drifted, "no_unaccepted_drift")
    config = accept_config(str(result.description))
    assert config["integrated_account_ids"] == [KEYS[A], KEYS[B]]
    assert (config["reason"], config["accepted_by"]) == (None, None)
    assert config["digest"] == result.metadata["digest"].value
    assert accept_config(str(result.metadata["accept"].value)) == config
    to_accept = result.metadata["to_accept"].value
    assert to_accept == {"ops": {"accept": {"config": config}}}
    (elsewhere,) = evaluate_checks(
        drifted.session(), [BY_NAME["no_unaccepted_drift"]], location="__repository__@of my own"
    )
    links = set(re.findall(r"/locations/[^/]+/", f"{elsewhere.description}{elsewhere.metadata}"))
    assert links == {"/locations/__repository__@of%20my%20own/"}
    (_, first, second) = lines_of(result)
    for row, key in ((first, A), (second, B)):
        assert accept_config(row[3])["integrated_account_ids"] == [KEYS[key]]


def test_of_more_accounts_than_one_link_accepts_the_worst_are_taken_and_the_rest_is_told(
    drifted: Stand,
) -> None:
    with drifted.database.reading() as connection:
        one, _ = read_pending(connection)
    keys = [f"acme.okta.{number:08x}" for number in range(250)]
    verdict = CheckVerdict(
        BY_NAME["no_unaccepted_drift"],
        WARN,
        [AccountProblem(key, None, "It drifted.", "Look.", is_curable=True) for key in keys],
        passed_text="",
        failed_text="Different",
        pending=[replace(one, partition_key=key) for key in reversed(keys)],
    )

    result = lay_out(verdict, location=DEFAULT_LOCATION)

    assert "[accept the first 200](" in str(result.description)
    accepted = str(result.metadata["accept"].value)
    for text in (str(result.description), accepted):
        assert accept_config(text)["integrated_account_ids"] == keys[:200]
    assert accepted.endswith("and 50 more: `truto-groups accept` shows all.")
    assert all("accept it" in row[2] for row in lines_of(result)[1:])


def test_types_that_are_not_mapped_cannot_be_accepted_away(stand: Stand) -> None:
    stand.put(A, [group(0, group_type="squad"), *groups_of(20)[1:]])
    stand.sync(A, run_id="r1")
    result = check(stand, "groups_match_contract")
    assert "unmapped_limit" in rows_of(result)[0]["do"]
    assert "launchpad" not in str(result.description)
    assert not {"accept", "to_accept", "digest"} & set(result.metadata)


def test_what_a_tenant_calls_an_account_cannot_break_the_table(stand: Stand) -> None:
    label = "EU | [x](javascript:alert) <b>\n| y"
    stand.put(A, groups_of(20), context={"label": label})
    stand.discover()
    let_drift(stand, A)
    stand.put(A, groups_of(20), context={"label": label})
    stand.discover()
    result = check(stand, "no_unaccepted_drift")
    lines = [line for line in str(result.description).split("\n") if line.startswith("|")]
    assert len(lines) == 3
    assert "\\[x\\](javas…ipt:alert)" in lines[2]
    assert "EU \\|" in lines[2]


def test_the_same_drift_of_many_accounts_stands_once_at_the_top(stand: Stand) -> None:
    keys = [f"{number:08d}-0000-4000-8000-000000000009" for number in range(4)]
    for key in keys:
        stand.put(key, groups_of(20), integration="jira")
    stand.discover()
    stand.sync(*keys, run_id="m1")
    stand.pass_time(hours=6)
    long = "_".join(["note"] * 20)
    for key in keys:
        stand.put(key, [group(n, **{long: "new"}) for n in range(20)], integration="jira")
    stand.sync(*keys, run_id="m2")
    result = check(stand, "no_unaccepted_drift")
    assert failing(result) == [key[:8] for key in keys]
    headline = say_headline(result.description or "")
    told = "4 of 4 accounts of jira at once: Field was added, `note"
    assert headline.startswith(told)
    assert max(map(len, headline.split())) <= 32
    assert str(result.description).count("4 of 4 accounts") == 1


def test_a_filter_that_was_ignored_is_told(stand: Stand) -> None:
    stand.write_settings(f"accounts:\n  {A}:\n    query:\n      group_type: department\n")
    stand.put(A, [group(n, group_type="team") for n in range(20)])
    stand.sync(A, run_id="r1")
    (row,) = [r for r in rows_of(check(stand, "no_unaccepted_drift")) if r["path"] == "group_type"]
    assert row["change"] == "filter contradicted"
    assert "20 of 20" in row["do"]


def since_of(stand: Stand, path: str) -> str:
    rows = rows_of(check(stand, "no_unaccepted_drift"))
    (since,) = {str(row["since"]) for row in rows if row["path"] == path}
    return since


def test_drift_is_since_its_first_sync_however_many_follow(stand: Stand) -> None:
    """Only the newest twenty shapes of an account are kept beside."""

    def send(number: int, **fields: Any) -> str:
        stand.put(A, [group(n, f"{number} {n}", note="new", **fields) for n in range(20)])
        stand.sync(A, run_id=f"d{number}")
        return stand.now.isoformat(timespec="seconds")

    first = send(0)
    stand.write(
        "INSERT INTO account_shapes BY NAME SELECT s.* REPLACE ('d' || n AS run_id, "
        "s.observed_at + to_hours(n) AS observed_at) "
        "FROM account_shapes AS s, range(1, 20) AS later(n) WHERE s.run_id = 'd0'"
    )
    stand.pass_time(hours=20)
    later = send(20, later="new")
    for number in (21, 22):
        stand.pass_time(hours=1)
        send(number, later="new")
    assert since_of(stand, "note") == first
    assert since_of(stand, "later") == later
    shapes = stand.table("account_shapes", account=A)
    assert len(shapes) == 22  # the baseline, the first that drifted, and twenty


def test_drift_that_comes_back_after_it_was_accepted_is_since_it_came_back(stand: Stand) -> None:
    def send(run_id: str, **fields: Any) -> str:
        stand.put(A, [group(n, f"{run_id} {n}", **fields) for n in range(20)])
        stand.pass_time(hours=1)
        stand.sync(A, run_id=run_id)
        return stand.now.isoformat(timespec="seconds")

    send("d0", note="new")
    send("d1")
    stand.write(
        "UPDATE account_shapes SET is_baseline = (run_id = 'd1') WHERE integrated_account_id = $id",
        id=A,
    )
    back = send("d2", note="new")
    assert since_of(stand, "note") == back


def test_only_settings_that_shape_an_answer_can_be_the_cause_of_drift(stand: Stand) -> None:
    """Whatever was set, `our settings` was told as the cause."""
    changed = {
        A: "refresh_every: 5h, volume: {max_fall: 0.5}, private_values: true",
        B: "query: {name: x}",
    }
    told: dict[str, Attribution] = {A: "vendor", B: "our_settings"}
    lines = [f"  {key}: {{{settings}}}\n" for key, settings in changed.items()]
    stand.write_settings(f"accounts:\n{''.join(lines)}")
    remote = {"id": "x", "size": 1, "more": True}
    for key in changed:
        stand.put(key, [group(n, name="x", note="new", remote_data=remote) for n in range(20)])
    stand.sync(A, B, run_id="r1")
    rows = [row for row in rows_of(check(stand, "no_unaccepted_drift")) if row["path"] == "note"]
    whose = {id_of(row["account"]): row["whose"] for row in rows}
    assert whose == {key: ATTRIBUTION_TEXTS[one] for key, one in told.items()}


def test_other_values_and_other_groups_are_no_drift(stand: Stand) -> None:
    stand.put(A, [group(n, f"Renamed {n}", remote_data={"id": "x", "size": 9}) for n in range(22)])
    stand.sync(A, run_id="r1")
    assert check(stand, "no_unaccepted_drift").passed


# The check every_account_is_fresh.


def test_one_stale_account_fails_the_check_while_others_are_fresh(stand: Stand) -> None:
    stand.pass_time(hours=20)
    stand.sync(B, C, run_id="r1")
    stand.pass_time(hours=4)
    result = check(stand, "every_account_is_fresh")
    assert failing(result) == [A]
    assert result.severity == ERROR
    (row,) = rows_of(result)
    assert (row["age"], row["max_age"]) == ("1 d 1 h", "1 d 0 h")


def test_an_account_without_groups_becomes_stale_like_any_other(stand: Stand) -> None:
    stand.pass_time(hours=20)
    stand.sync(A, B, run_id="r1")
    stand.pass_time(hours=4)
    assert failing(check(stand, "every_account_is_fresh")) == [C]


def test_a_sync_that_changed_nothing_keeps_an_account_fresh(stand: Stand) -> None:
    stand.pass_time(hours=23)
    assert set(stand.outcomes(run_id="r1").values()) == {"unchanged"}
    stand.pass_time(hours=23)
    assert check(stand, "every_account_is_fresh").passed


def test_a_sync_that_was_held_back_or_failed_keeps_no_account_fresh(stand: Stand) -> None:
    stand.pass_time(hours=23)
    stand.put(A, [{"id": None}, *groups_of(20)])
    stand.sync(run_id="r1")
    stand.pass_time(hours=2)
    result = check(stand, "every_account_is_fresh")
    assert failing(result) == [A]
    assert "held back" in rows_of(result)[0]["do"]


def test_only_accounts_that_are_not_active_make_it_a_warning(stand: Stand) -> None:
    stand.put(A, groups_of(20), status="needs_reauth", last_error="Revoked")
    stand.discover()
    stand.pass_time(hours=22)
    stand.sync(B, C, run_id="r1")
    stand.pass_time(hours=3)
    result = check(stand, "every_account_is_fresh")
    assert failing(result) == [A]
    assert result.severity == WARN
    assert "reconnect" in rows_of(result)[0]["do"]
    stand.pass_time(hours=24)
    result = check(stand, "every_account_is_fresh")
    assert set(failing(result)) == {A, B, C}
    assert result.severity == ERROR


def test_an_account_that_is_gone_or_skipped_is_never_stale(stand: Stand) -> None:
    stand.server.remove_account(A)
    stand.discover()
    stand.write_settings(f"accounts: {{'{B}': {{skip: true}}}}")
    stand.pass_time(days=3)
    assert failing(check(stand, "every_account_is_fresh")) == [C]


def test_each_account_has_its_own_max_age(stand: Stand) -> None:
    stand.write_settings(f"accounts: {{'{A}': {{max_age: 7d}}, '{B}': {{max_age: 10h}}}}")
    stand.pass_time(hours=11)
    assert failing(check(stand, "every_account_is_fresh")) == [B]


# The check ids_are_unique.


def test_two_rows_with_one_id_are_an_error_in_their_account_alone(stand: Stand) -> None:
    assert check(stand, "ids_are_unique").passed  # A and B share all of their ids
    stand.write(
        "INSERT INTO groups SELECT * FROM groups WHERE integrated_account_id = $key AND id = 'g3'",
        key=B,
    )
    result = check(stand, "ids_are_unique")
    assert failing(result) == [B]
    assert result.severity == ERROR
    assert [(row["id"], row["rows"]) for row in rows_of(result)] == [("g3", 2)]


# The check group_counts_are_plausible.


def test_a_collapse_is_an_error_while_it_holds_an_account_back(stand: Stand) -> None:
    stand.put(A, [])
    assert stand.outcomes(A, run_id="r1") == {A: "held_back"}
    result = check(stand, "group_counts_are_plausible")
    assert failing(result) == [A]
    assert result.severity == ERROR
    assert "0 groups instead of 20" in rows_of(result)[0]["what"]


def test_a_collapse_that_the_settings_let_through_is_a_warning(stand: Stand) -> None:
    stand.write_settings("defaults: {volume: {hold_back: false}}")
    stand.put(A, [])
    assert stand.outcomes(A, run_id="r1") == {A: "published"}
    result = check(stand, "group_counts_are_plausible")
    assert failing(result) == [A]
    assert result.severity == WARN


MOVES = {f"{count:08d}-0000-4000-8000-000000000009": count for count in (20, 19, 18, 21, 23)}


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """Each of these accounts had twenty groups, and has another number now."""
    with open_stand(tmp_path_factory.mktemp("moved")) as stand:
        for key, count in MOVES.items():
            stand.put(key, groups_of(20), groups_of(count))
        stand.discover()
        stand.sync(run_id="r0")
        stand.pass_time(hours=1)
        stand.sync(run_id="r1")
    return stand


@pytest.mark.parametrize("key", MOVES, ids=lambda key: str(MOVES[key]))
def test_a_small_move_is_plausible(moved: Stand, key: str) -> None:
    assert (
        len([one for one in moved.table("groups") if one["integrated_account_id"] == key])
        == MOVES[key]
    )
    assert key[:8] not in failing(check(moved, "group_counts_are_plausible"))


def test_an_account_that_had_no_groups_may_have_some(stand: Stand) -> None:
    stand.put(C, groups_of(500))
    assert stand.outcomes(C, run_id="r1") == {C: "published"}
    assert check(stand, "group_counts_are_plausible").passed


# The check breakdown_adds_up.


@pytest.mark.parametrize(
    ("sql", "key"),
    [
        ("UPDATE group_type_breakdown SET group_count = 19 WHERE integrated_account_id = $key", B),
        ("DELETE FROM group_type_breakdown WHERE integrated_account_id = $key", A),
        ("UPDATE groups SET group_type = NULL WHERE integrated_account_id = $key AND id = 'g1'", A),
        ("DELETE FROM groups WHERE integrated_account_id = $key", B),
        ("INSERT INTO group_type_breakdown VALUES ($key, 'okta', 't', 'team', 3, 1.0)", C),
    ],
    ids=["a wrong count", "none", "a wrong type", "without groups", "of an account without groups"],
)
def test_a_breakdown_that_does_not_add_up_is_an_error(stand: Stand, sql: str, key: str) -> None:
    stand.write(sql, key=key)
    result = check(stand, "breakdown_adds_up")
    assert failing(result) == [key]
    assert result.severity == ERROR
    assert result.asset_key == dg.AssetKey("group_type_breakdown")


# All of them.


def test_a_gone_account_fails_no_check(stand: Stand) -> None:
    stand.put(A, [{"id": None, "name": 7}, *groups_of(20)[1:]])
    stand.sync(run_id="r1")
    stand.server.remove_account(A)
    stand.discover()
    results = evaluate_checks(stand.session(), list(BY_NAME.values()))
    assert [result.check_name for result in results if not result.passed] == []


def test_what_a_check_shows_of_a_private_account_holds_no_value_that_it_sent(stand: Stand) -> None:
    """Of A, which is private from the beginning, and of B, which becomes so later."""
    query = "defaults: {query: {group_type: [team]}, private_values: %s}\n"
    stand.write_settings(f"{query % 'false'}accounts: {{{A}: {{private_values: true}}}}\n")
    secret = [
        group(n, group_type="s3cret-type" if n else "team", remote_data={"size": "s3cret-value"})
        for n in range(20)
    ]
    for key in (A, B):
        stand.put(key, secret)
    stand.sync(A, B, run_id="r1")
    stand.write_settings(query % "true")
    drift, fit = (check(stand, name) for name in ("no_unaccepted_drift", "groups_match_contract"))
    assert set(failing(drift)) == set(failing(fit)) == {A, B}
    for key in (A, B):
        changes = {row["change"] for row in rows_of(drift) if id_of(row["account"]) == key}
        assert changes >= {"new_group_type", "type_changed", "filter contradicted"}, key
    assert ["19 of 20 groups have a type" in row["what"] for row in rows_of(fit)] == [True, True]
    for result in (drift, fit):
        assert "s3cret" not in f"{[dict(row) for row in rows_of(result)]} {result}"


def test_hundreds_of_failing_accounts_are_counted_and_what_is_left_out_is_said(
    stand: Stand,
) -> None:
    stand.write(
        "INSERT INTO group_type_breakdown SELECT 'x' || i, 'okta', 't', 'team', 1, 1.0 "
        "FROM range(650) AS t(i)"
    )
    result = check(stand, "breakdown_adds_up")
    assert result.metadata["failing_accounts"].value == 650
    assert "and 645 more)." in str(result.description)
    assert "\nand 630 more: " in str(result.description)
    *rows, left_out = rows_of(result)
    assert len(rows) == 500
    assert left_out == {"left_out": "150 more: `truto-groups status` shows all."}
    assert "\nand 450 more: " in str(result.metadata["details"].value)


def rename(stand: Stand, key: str, *names: str) -> None:
    renamed = [{**group(number), "name": name} for number, name in enumerate(names)]
    stand.put(key, [*renamed, *groups_of(20)[len(names) :]])


def test_groups_that_became_privileged_are_told_until_they_are_reviewed(stand: Stand) -> None:
    stand.write_settings(f"accounts: {{{B}: {{private_values: true}}}}")
    rename(stand, A, "Payroll", "Domain Admins")
    rename(stand, B, "Break-glass *access*")
    assert set(stand.outcomes(A, B, run_id="r1").values()) == {"published"}
    result = check(stand, "privileged_changes_are_reviewed")
    assert (result.passed, result.severity) == (False, WARN)
    assert sorted(failing(result)) == sorted([A, B])
    told = {id_of(row["account"]): row["what"] for row in rows_of(result)}
    assert told[A] == (
        "\u201cGroup 1\u201d was renamed to \u201cDomain Admins\u201d (rule: admin, domain admin)."
    )
    assert told[B] == "group g0 was renamed (rule: break glass)."
    (address,) = re.findall(r"\[mark [^]]*\]\((/locations/[^)]+)\)", str(result.description))
    assert "/jobs/mark_privileged_changes_reviewed/playground/setup?" in address
    (text,) = parse_qs(urlsplit(address).query)["config"]
    assert yaml.safe_load(text) == result.metadata["to_review"].value
    shown = yaml.safe_load(text)["ops"]["mark_reviewed"]["config"]
    assert (shown["reason"], shown["reviewed_by"]) == (None, None)
    assert sorted(shown["integrated_account_ids"]) == sorted([KEYS[A], KEYS[B]])
    assert shown["until"] == stand.now.isoformat()
    stand.write("UPDATE privileged_group_changes SET reviewed_at = now()")
    assert check(stand, "privileged_changes_are_reviewed").passed
