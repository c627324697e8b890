"""What installs: the lock against pyproject.toml, and what the wheel takes. Reads files only."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
HASH = "--hash=sha256:"


def read_pyproject() -> Mapping[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def read_lock() -> str:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def read_pins(lock: str) -> list[tuple[str, str, int]]:
    """Read the pins of a lock as (name, version, number of hashes), in its order."""
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)
    return [
        (match["name"], match["version"], entry.count(HASH))
        for entry in entries
        if (match := re.match(r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)", entry))
    ]


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None, requirement
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def named_dependencies() -> list[str]:
    project = read_pyproject()["project"]
    groups = read_pyproject()["dependency-groups"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["ui"],
        *groups["dev"],
        *groups["browser"],
    ]
    return sorted({name_of(requirement) for requirement in wanted})


@pytest.mark.parametrize("name", named_dependencies())
def test_every_dependency_is_pinned_in_the_lock(name: str) -> None:
    assert name in {pinned for pinned, _, _ in read_pins(read_lock())}


def test_every_pin_of_the_lock_has_a_hash() -> None:
    pins = read_pins(read_lock())

    assert len(pins) > 50
    assert [name for name, _, hash_count in pins if hash_count == 0] == []


def test_every_line_of_the_lock_is_a_pin_a_hash_or_a_comment() -> None:
    known = re.compile(
        r"[a-z0-9-]+==[^\s;]+( ; .*)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?| *#.*|"
    )

    assert [line for line in read_lock().splitlines() if not known.fullmatch(line)] == []


def test_the_lock_names_no_address_of_a_registry() -> None:
    address = re.compile(r"://|index-url|find-links|trusted-host", re.IGNORECASE)

    assert [line for line in read_lock().splitlines() if address.search(line)] == []


def test_the_lock_holds_duckdb_at_the_release_that_has_its_extensions_as_wheels() -> None:
    versions = {name: version for name, version, _ in read_pins(read_lock())}

    assert versions["duckdb"].startswith("1.5.")
    assert versions["duckdb-extensions"] == versions["duckdb"]
    for name in ("ducklake", "httpfs", "postgres-scanner"):
        assert versions[f"duckdb-extension-{name}"] == versions["duckdb"]


def test_the_wheel_takes_the_whole_package_and_nothing_else() -> None:
    wheel = read_pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert wheel == {"packages": ["truto_groups"]}


def test_no_file_of_the_package_is_hidden_from_the_wheel_by_gitignore() -> None:
    """The build leaves out what .gitignore names, so a pattern there can lose an SQL file."""
    patterns = (ROOT / ".gitignore").read_text(encoding="utf-8").split()

    assert not {"*.sql", "*.yaml", "*.yml", "*.json", "data/", "sql/", "sandbox/"} & set(patterns)


def test_the_command_and_the_supported_pythons_are_declared() -> None:
    project = read_pyproject()["project"]

    assert project["scripts"] == {"truto-groups": "truto_groups.cli:main"}
    assert project["requires-python"] == ">=3.11,<3.14"
