"""Settings files and variables of every kind: read, or refused in words. Nothing is faked."""

import os
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from truto_groups.errors import SettingsError
from truto_groups.settings import (
    Settings,
    check_temporary_folder,
    read_environment,
    read_settings,
    read_token,
)
from truto_groups.settings.dotenv import read_variables
from truto_groups.settings.durations import parse_duration
from truto_groups_tests.stand import A

FEW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SECTIONS = ["truto", "discovery", "defaults", "integrations", "accounts", "okta", A, "volume"]
KEYS = [
    "page_size", "base_url", "token_variable", "max_pages", "refresh_every", "max_age", "skip",
    "remote_data", "private_values", "complete", "max_fall", "max_rise", "hold_back", "query",
    "unmapped_limit", "record_initial_sync", "grace_period", "max_missing_share", "limit",
    "organization_id", "created_at", "remote_query", "truto_exclude_fields", "name", "gte",
]  # fmt: skip
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, 5, 25, 10**30]),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.sampled_from(["all", "nothing", "auto", "always", "6h", "7d", "a.b", "https://x.example"]),
    st.binary(max_size=5),
    ANY_TEXT,
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(SECTIONS + KEYS), inner, max_size=5),
        st.dictionaries(st.one_of(ANY_TEXT, st.integers(), st.dates()), inner, max_size=3),
    ),
    max_leaves=25,
)
# Pieces of YAML, right and wrong, that hypothesis puts together to files.
PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(f"{name}:" for name in SECTIONS + KEYS), "\n", "\n  ", "\n    ", " ", "\t", "- ",
                "&x ", "*x", "<<: ", "!!python/object:os.system ", "!!binary ", "!!set ", "!!omap ",
                "? ", "| ", ">\n", "---\n", "...\n", "{", "}", "[", "]", ",", "'", '"', "#", "%",
                ".inf", "-.inf", ".nan", "0x1F", "0o17", "1:30", "1e999", "1_000", "2024-01-01",
                "~", "null", "yes", "=", "\0", "\ufeff", "\x85", "\u2028", "6h", "all", "9" * 400,
            ]
        ),
        st.text(string.printable, max_size=5),
    ),
    max_size=30,
).map("".join)  # fmt: skip


def read(path: Path, content: bytes) -> Settings | None:
    """Read a file; None where it was refused, in words that help."""
    path.write_bytes(content)
    try:
        found = read_settings(path)
    except SettingsError as error:
        refused = error
    else:
        use(found)
        return found
    places = re.findall(re.escape(str(path)) + r":(\d+):", str(refused))
    most = len(re.split(rb"\r\n|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9]", content))
    assert places
    assert all(1 <= int(line) <= most for line in places)
    assert refused.advice or refused.mistakes
    return None


def refuse(read: Callable[[], object], kind: type[Exception] = SettingsError) -> Any:
    """What was raised, of that kind and no other; None when all went well."""
    try:
        read()
    except kind as error:
        return error
    return None


def use(found: Settings) -> None:
    """Everything that is asked of settings later on."""
    for account_id, integration in ((A, "okta"), ("other", "OKTA"), ("x", None)):
        held = found.for_account(account_id, integration)
        assert len(held.digest) == 64
        assert held.answer_digest
        found.find_mistake(account_id, integration)
    assert found.digest


@FEW
@given(tree=TREES)
def test_every_tree_is_read_or_refused_in_words(tmp_path: Path, tree: Any) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)
    read(tmp_path / "settings.yaml", text.encode(errors="surrogatepass"))


@FEW
@given(text=PIECES)
def test_every_text_is_read_or_refused_in_words(tmp_path: Path, text: str) -> None:
    read(tmp_path / "settings.yaml", text.encode(errors="surrogatepass"))


@FEW
@given(content=st.binary(max_size=60))
def test_every_file_is_read_or_refused_in_words(tmp_path: Path, content: bytes) -> None:
    read(tmp_path / "settings.yaml", content)


BOMB = "a: &a [x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)
GIANTS: dict[str, Callable[[], bytes]] = {
    "aliases that multiply": BOMB.encode,
    "lists, nested": lambda: b"defaults: " + b"[" * 100_000,
    "mappings, nested": lambda: b"a: {" * 50_000,
    "blocks, nested": lambda: "".join(f"{' ' * n}a:\n" for n in range(1_500)).encode(),
    "a number": lambda: b"truto:\n  page_size: " + b"9" * 1_000_000,
    "a key": lambda: b"x" * 1_000_000 + b": 1",
    "a value": lambda: b"defaults:\n  max_age: " + b"x" * 1_000_000,
    "keys of one name": lambda: b"truto:\n" + b"  page_size: 5\n" * 5_000,
    "UTF-16": lambda: "truto:\n  page_size: 5\n".encode("utf-16"),
    "latin-1": lambda: "defaults:\n  query: {name: é}\n".encode("latin-1"),
    "zeros": lambda: b"\0" * 1_000,
    "one zero": lambda: b"truto:\n  page_size: 5\0",
}


@pytest.mark.parametrize("make", GIANTS.values(), ids=GIANTS.keys())
def test_a_file_that_is_meant_to_hurt_is_refused_at_once(
    tmp_path: Path, make: Callable[[], bytes]
) -> None:
    assert read(tmp_path / "settings.yaml", make()) is None


@FEW
@given(text=ANY_TEXT)
@example("٣h")
@example("1" * 5000 + "d")
def test_every_text_is_a_duration_or_refused(text: str) -> None:
    refused = refuse(lambda: parse_duration(text), ValueError)

    assert refused is None or str(refused).startswith("is ")


@FEW
@given(
    value=st.one_of(
        ANY_TEXT,
        st.builds(
            "{}://{}{}".format,
            st.sampled_from(["http", "https", "HTTPS", "md", "ducklake", "file", ""]),
            st.sampled_from(["localhost", "[::1]", "[::1", "a b", "x:y@h", "h:99999", "é.com", ""]),
            ANY_TEXT,
        ),
    )
)
@example("~/x")
@example("~")
@example("x" * 5000)
@example("https://h:²")
@example("half\ud800")
@example("https://[v1.x]/")
@pytest.mark.parametrize(
    "variable",
    [
        "TRUTO_BASE_URL",
        "TRUTO_GROUPS_DATABASE",
        "TRUTO_GROUPS_DATA_PATH",
        "TRUTO_GROUPS_SETTINGS",
        "TRUTO_GROUPS_WEBHOOK_URL",
        "TRUTO_API_TOKEN",
        "HTTPS_PROXY",
        "TMPDIR",
    ],
)
def test_every_variable_is_read_or_refused_by_its_name(
    tmp_path: Path, variable: str, value: str
) -> None:
    (tmp_path / "workspace.yaml").touch()
    environ = {variable: value, "HOME": str(tmp_path)}

    def read_all() -> None:
        found = read_environment(environ, cwd=tmp_path)
        read_token({"TRUTO_API_TOKEN": "fuzzed-token"} | environ, variable="TRUTO_API_TOKEN")
        check_temporary_folder(environ)
        if variable == "TRUTO_GROUPS_SETTINGS":
            read_settings(found.settings_path)

    refused = refuse(read_all)

    assert refused is None or (variable in str(refused) and refused.advice)


@FEW
@given(content=st.one_of(st.binary(max_size=40), PIECES.map(lambda one: f"A={one}".encode())))
@example(b"A=\xe9")
@example(b"A=x\0y")
@example(b"'a=b'=c")
def test_every_file_of_variables_gives_variables_or_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "workspace.yaml").touch()
    (tmp_path / ".env").write_bytes(content)

    refused = refuse(lambda: os.environ.copy().update(read_variables({}, cwd=tmp_path)))

    assert refused is None or str(refused).startswith(str(tmp_path / ".env"))


def test_what_never_ends_is_not_read_to_the_end() -> None:
    with pytest.raises(SettingsError, match=r"/dev/zero is longer than"):
        read_settings(Path("/dev/zero"))


@pytest.mark.parametrize("folder", ["{folder}/gone", "{folder}/a_file", "/proc"])
def test_a_temporary_folder_that_cannot_be_written_is_named(tmp_path: Path, folder: str) -> None:
    (tmp_path / "a_file").touch()

    with pytest.raises(SettingsError, match=r"^TMPDIR names .*Set TMPDIR to a folder"):
        check_temporary_folder({"TMPDIR": folder.format(folder=tmp_path)})
    check_temporary_folder({"TMPDIR": str(tmp_path)})
    check_temporary_folder({})
