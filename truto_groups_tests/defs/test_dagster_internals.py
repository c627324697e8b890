"""Dagster's private parts are where defs/dagster_internals.py says, and are used nowhere else.

Read from the source and looked up in the installed Dagster, so that a release that moves one fails
here by its name. Nothing is faked.
"""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest
from dagster._annotations import is_public
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage import tags as dagster_tags

ROOT = Path(__file__).parents[2]
INTERNALS = ROOT / "truto_groups" / "defs" / "dagster_internals.py"
SYSTEM_TAGS = {
    "PARTITION_TAG": "PARTITION_NAME_TAG",
    "RANGE_START_TAG": "ASSET_PARTITION_RANGE_START_TAG",
    "RANGE_END_TAG": "ASSET_PARTITION_RANGE_END_TAG",
    "MAX_RETRIES_TAG": "MAX_RETRIES_TAG",
    "RETRY_ON_FAILURE_TAG": "RETRY_ON_ASSET_OR_OP_FAILURE_TAG",
    "WILL_RETRY_TAG": "WILL_RETRY_TAG",
    "LOCATION_TAG": "REPOSITORY_LABEL_TAG",
    "HIDDEN_TAG_PREFIX": "HIDDEN_TAG_PREFIX",
}


def read(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def iter_private_imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dagster._"):
            yield from ((str(node.module), alias.name) for alias in node.names)


def find_instance_calls(tree: ast.Module) -> set[str]:
    """What is asked of a variable or attribute that is called ``instance``."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and (getattr(node.value, "id", "") or getattr(node.value, "attr", "")) == "instance"
    }


def is_documented(name: str) -> bool:
    return is_public(getattr(dg.DagsterInstance, name))


@pytest.mark.parametrize(
    ("module", "name"),
    [pytest.param(*one, id=one[1]) for one in iter_private_imports(read(INTERNALS))],
)
def test_a_private_name_is_where_it_is_looked_for(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", sorted(find_instance_calls(read(INTERNALS))))
def test_an_undocumented_call_is_there(name: str) -> None:
    assert hasattr(dg.DagsterInstance, name)


@pytest.mark.parametrize(("ours", "theirs"), SYSTEM_TAGS.items())
def test_a_system_tag_is_spelled_as_dagster_spells_it(ours: str, theirs: str) -> None:
    internals = importlib.import_module("truto_groups.defs.dagster_internals")

    assert getattr(internals, ours) == getattr(dagster_tags, theirs)


def test_nothing_else_names_a_private_part_or_a_system_tag() -> None:
    others = [path for path in (ROOT / "truto_groups").rglob("*.py") if path != INTERNALS]
    found: list[str] = []
    for path in others:
        tree = read(path)
        found += [f"{path.name}: {module}.{name}" for module, name in iter_private_imports(tree)]
        if "import dagster" not in path.read_text(encoding="utf-8"):
            continue
        found += [
            f"{path.name}: instance.{name}"
            for name in find_instance_calls(tree)
            if not is_documented(name)
        ]
        found += [
            f"{path.name}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.startswith((".dagster/", "dagster/"))
            and node.value in {getattr(dagster_tags, name) for name in SYSTEM_TAGS.values()}
        ]

    assert others
    assert found == []


def test_an_address_of_the_ui_is_encoded_so_that_nothing_in_it_ends_a_link() -> None:
    internals = importlib.import_module("truto_groups.defs.dagster_internals")
    odd = "a b)|(c&d=e#é\n"

    addresses = [
        internals.address_partition(dg.AssetKey("groups"), odd),
        internals.address_check(dg.AssetCheckKey(dg.AssetKey(["x y", "z"]), odd)),
        internals.address_run(odd),
        internals.address_launchpad("accept_drift", odd, location="__repository__@a location"),
    ]

    for address in addresses:
        assert address.startswith("/")
        assert not set(address) & set(" )|(#\n")
    query = parse_qs(urlsplit(addresses[-1]).query)
    assert query == {"config": [odd]}


@pytest.mark.long
def test_a_run_without_an_origin_is_of_the_location_of_workspace_yaml() -> None:
    internals = importlib.import_module("truto_groups.defs.dagster_internals")
    job = dg.GraphDefinition("nothing").to_job()
    with dg.instance_for_test() as instance:
        run = instance.create_run_for_job(job)
    assert internals.find_location(run) == "__repository__@truto_groups"
    workspace = (ROOT / "workspace.yaml").read_text(encoding="utf-8")
    assert "location_name: truto_groups\n" in workspace


def test_a_run_is_of_the_location_that_started_it_however_that_is_called() -> None:
    internals = importlib.import_module("truto_groups.defs.dagster_internals")
    job = dg.GraphDefinition("nothing").to_job()
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("of my own"), "__repository__")
    with dg.instance_for_test() as instance:
        started = RemoteJobOrigin(origin, job.name)
        run = instance.create_run_for_job(job, remote_job_origin=started)
    assert internals.find_location(run) == "__repository__@of my own"
