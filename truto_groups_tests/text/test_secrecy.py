"""Secrets in texts of all kinds: none of them is told. Nothing is faked but the failures."""

import ast
from pathlib import Path

import dagster as dg
import pytest

import truto_groups.defs
from truto_groups.defs.failures import RetoldError, keep_secrets
from truto_groups.errors import DatabaseError
from truto_groups.settings import read_environment, read_token
from truto_groups.text.secrecy import hide, hide_address, hide_password, redact


@pytest.mark.parametrize(
    "written",
    ['s3c/ret+x"y', "s3c%2Fret%2Bx%22y", "s3c/ret%2Bx%22y", 's3c/ret+x\\"y'],
    ids=["as it is", "in a query", "in a path", "in JSON"],
)
def test_a_secret_is_hidden_however_it_is_written(written: str) -> None:
    hide('s3c/ret+x"y', name="thing")

    assert redact(f"before {written} after") == "before [thing] after"


def test_what_is_too_short_to_be_told_apart_is_left() -> None:
    hide("ab")

    assert redact("about") == "about"


@pytest.mark.parametrize(
    "address",
    [
        "http://user:pr0xy-w0rd@proxy:8080",
        "user:pr0xy-w0rd@proxy:8080",
        "socks5://user:pr0xy-w0rd@[::1",
        "http://user:pr0xy%2Dw0rd@proxy",
        "http://u@er:pr0xy-w0rd@proxy",
    ],
)
def test_the_password_of_a_proxy_is_hidden_whatever_else_is_wrong(address: str) -> None:
    hide_password(address)

    assert "pr0xy-w0rd" not in redact(f"cannot connect to {address}, pr0xy-w0rd")
    assert "proxy" in redact(address) or "[::1" in redact(address)


def test_of_a_webhook_path_and_query_are_hidden_too() -> None:
    hide_address("https://hooks.example.com/services/T0/B0/xyz?key=k3y-k3y", name="webhook")

    for part in ("/services/T0/B0/xyz?key=k3y-k3y", "services/T0/B0/xyz", "key=k3y-k3y"):
        assert redact(f"POST {part} failed") in ("POST [webhook] failed", "POST /[webhook] failed")


def test_the_variables_hide_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").touch()
    environ = {
        "TRUTO_GROUPS_WEBHOOK_URL": "https://hooks.example.com/from-the-variable",
        "HTTPS_PROXY": "http://me:fr0m-the-proxy@proxy",
        "all_proxy": "http://me:fr0m-all@proxy",
        "MY_TOKEN": "t0ken-of-another-name",
    }
    read_environment(environ, cwd=tmp_path)
    read_token(environ, variable="MY_TOKEN")

    told = redact(" ".join(environ.values()))
    for secret in ("from-the-variable", "fr0m-the-proxy", "fr0m-all", "t0ken-of-another-name"):
        assert secret not in told


def test_an_error_of_ours_never_holds_a_secret() -> None:
    hide("qu0ted-by-a-library")

    error = DatabaseError("It said qu0ted-by-a-library.", advice="Not qu0ted-by-a-library.")

    assert "qu0ted" not in f"{error} {error!r} {vars(error)}"


def test_a_chained_secret_does_not_reach_dagsters_event_log() -> None:
    """Dagster stores the texts of all exceptions of a chain."""
    hide("ch4ined-s3cret")

    @dg.asset
    @keep_secrets
    def broken() -> None:
        try:
            raise KeyError("ch4ined-s3cret")
        except KeyError as error:
            raise ValueError("harmless") from error

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([broken], instance=instance, raise_on_error=False)
        (failure,) = [event for event in result.all_events if event.is_step_failure]
        entries = instance.all_logs(result.run_id)

    assert "ch4ined-s3cret" not in str([entry.to_json() for entry in entries])
    assert failure.step_failure_data.error is not None
    assert "ValueError: harmless" in str(failure.step_failure_data.error.cause)


def test_what_holds_no_secret_is_raised_as_it_is() -> None:
    @keep_secrets
    def broken() -> None:
        raise KeyError("harmless")

    with pytest.raises(KeyError):
        broken()


def test_a_generator_is_guarded_as_well() -> None:
    hide("y1elded-s3cret")

    @keep_secrets
    def broken():
        yield 1
        raise ValueError("y1elded-s3cret")

    steps = broken()
    assert next(steps) == 1
    with pytest.raises(RetoldError, match=r"ValueError: \[secret\]"):
        next(steps)


def test_every_function_that_dagster_calls_is_guarded() -> None:
    """A new sensor that forgets it would be told by its first failure only."""
    calls = ("sensor", "schedule", "asset", "multi_asset", "op")
    unguarded: list[str] = []
    for path in Path(truto_groups.defs.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                marks = [ast.unparse(one) for one in node.decorator_list]
                is_called = any(mark.startswith(f"dg.{name}(") for mark in marks for name in calls)
                if is_called and "keep_secrets" not in marks:
                    unguarded.append(f"{path.name}: {node.name}")

    assert unguarded == []
