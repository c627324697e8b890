"""The README says what the code does: names, defaults, commands and columns. Nothing is faked."""

import json
import re
from pathlib import Path

import pytest
import yaml

from truto_groups import schema
from truto_groups.definitions import defs
from truto_groups.report.messages import (
    CheckState,
    FailedAttempt,
    FailedRun,
    tell_check_change,
    tell_failed_run,
)
from truto_groups.settings import EffectiveKnobs, read_settings
from truto_groups_tests.readme_tables import README, ROOT, TABLES, put_into, render_tables

# Resolved when the tests are collected: Dagster would look into the instance of an earlier test.
CHECKS = {key.name for key in defs.get_repository_def().asset_graph.asset_check_keys}

TEXT = README.read_text(encoding="utf-8")
NAMES = set(re.findall(r"`([^`\n]+)`", TEXT))


def test_the_dictionary_of_tables_is_the_contract() -> None:
    assert put_into(TEXT) == TEXT, "run python -m truto_groups_tests.readme_tables"
    assert TABLES.read_text(encoding="utf-8") == render_tables()


def test_every_asset_check_job_schedule_and_sensor_is_named() -> None:
    repository = defs.get_repository_def()
    names = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    names |= {key.name for key in repository.asset_graph.asset_check_keys}
    names |= {schedule.name for schedule in repository.schedule_defs}
    names |= {sensor.name for sensor in repository.sensor_defs}
    names |= {name for name in repository.job_names if not name.startswith("__")}
    assert names - NAMES == set()


def test_every_named_check_sensor_and_schedule_exists() -> None:
    repository = defs.get_repository_def()
    known = {key.name for key in repository.asset_graph.asset_check_keys}
    known |= {schedule.name for schedule in repository.schedule_defs}
    known |= {sensor.name for sensor in repository.sensor_defs}
    table = TEXT.split("| check | red means")[1].split("**Accepting.**")[0]
    automation = TEXT.split("| on by default |")[1].split("An account that Truto lists")[0]
    told = set(re.findall(r"^\| (.+?) \|", table, re.MULTILINE))
    told |= set(re.findall(r"^\| (.+?) \|", automation, re.MULTILINE))
    named = {name for cell in told for name in re.findall(r"`([^`]+)`", cell)}
    assert named
    assert named - known == set()


@pytest.mark.parametrize("table", [table for table in schema.TABLES[:10]], ids=lambda t: t.name)
def test_every_table_is_named(table: schema.Table) -> None:
    assert table.name in NAMES


def test_every_knob_is_named_with_its_default() -> None:
    section = TEXT.split("| under `truto:`")[1].split("| under `defaults:`")[0]
    for name, default in vars(EffectiveKnobs()).items():
        assert f"`{name}`" in section
        if isinstance(default, int) and name not in ("connect_timeout_seconds",):
            row = next(line for line in section.splitlines() if f"`{name}`" in line)
            assert str(default) in row, name


def test_the_example_of_a_settings_file_is_read(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert example is not None
    path = tmp_path / "truto_groups.yaml"
    path.write_text(example[1], encoding="utf-8")
    settings = read_settings(path)
    assert settings.for_account("x", "okta", partition_key="acme.okta.62f44730").skip
    assert settings.for_account("another", "asana").query == {"organization_id": ["1200", "1201"]}
    assert yaml.safe_load(example[1])["defaults"] == {"refresh_every": "6h", "max_age": "24h"}


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", TEXT))
    assert {"demo", "ui", "test", "check"} <= named
    assert named - targets - {"and"} == set()


def test_every_variable_is_in_the_example_of_the_environment() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    variables = {name for name in NAMES if re.fullmatch(r"TRUTO_[A-Z_]+", name)}
    assert variables == set(re.findall(r"^#?(TRUTO_[A-Z_]+)=", example, re.MULTILINE))


def test_every_call_of_dagster_names_the_definitions() -> None:
    """Unlike dg, it does not find them in the project: without -m it ends with a usage error."""
    calls = re.findall(r"^    (dagster asset materialize .*)", TEXT, re.MULTILINE)
    assert calls
    assert all(" -m truto_groups.definitions " in call for call in calls)


def test_the_examples_of_what_is_posted_are_as_it_is_posted() -> None:
    attempt = FailedAttempt("id", "key", None, "okta", "acme", "failed", "kind", "error")
    failed = tell_failed_run(FailedRun("5d1f", "refresh_groups", ""), [attempt])
    check = CheckState("every_account_is_fresh", "groups", "error", "…", "5d1f")
    turned = tell_check_change(check, before="passed")
    assert failed is not None
    assert turned is not None
    text = (ROOT / "docs" / "webhook.md").read_text(encoding="utf-8")
    first, second = map(json.loads, re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    assert list(first) == list(failed)
    assert [list(account) for account in first["accounts"]] == [list(failed["accounts"][0])]
    assert second == {**turned, "run_id": "5d1f…"}


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / target).exists(), target


def test_every_check_has_its_section_with_meaning_example_and_what_to_do() -> None:
    text = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    told = {
        name: re.findall(r"^\*\*(.*?)\.\*\*", section, re.MULTILINE)
        for name, section in sections.items()
    }

    assert told == {name: ["What it means", "An example", "What to do"] for name in CHECKS}


def test_the_readme_links_each_check_to_its_section() -> None:
    for name in CHECKS:
        assert f"| [`{name}`](docs/checks.md#{name}) |" in TEXT
