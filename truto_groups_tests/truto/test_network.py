"""Proxies and certificates of the machine, and posting to a webhook that misbehaves.

Real: the HTTP library, the TLS library, sockets on loopback. Only the resolver of names is faked.
"""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import certifi
import pytest

from truto_groups.defs.resources import TrutoResource
from truto_groups.errors import SettingsError
from truto_groups.report.delivery import MAX_TRIES, Undelivered, deliver, from_plain, to_plain
from truto_groups.settings import resolve_knobs
from truto_groups.truto import check_network, post_json
from truto_groups_tests.stand import A, Stand, groups_of

PROXY = "http://127.0.0.1:9"
READ = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in READ:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("NO_PROXY", "localhost,fd00::/8", "IPv6 blocks"),
        ("no_proxy", "[::1]", "IPv6 blocks"),
        ("NO_PROXY", "host:abc", "neither a host"),
        ("ALL_PROXY", "socks5://127.0.0.1:9", "pip install socksio"),
        ("HTTPS_PROXY", "socks5h://127.0.0.1:9", "pip install socksio"),
        ("https_proxy", "ftp://127.0.0.1:9", "http://proxy.example.com:8080"),
        ("HTTP_PROXY", "http://[::1", "http://proxy.example.com:8080"),
        ("ALL_PROXY", "http://me:h1dden-pw@host:port", "http://proxy.example.com:8080"),
        ("ALL_PROXY", "http://", "http://proxy.example.com:8080"),
        ("ALL_PROXY", "http://proxy:99999", "http://proxy.example.com:8080"),
        ("SSL_CERT_FILE", "{folder}/gone.pem", "No such file"),
        ("SSL_CERT_FILE", "{folder}", "Is a directory"),
        ("SSL_CERT_FILE", "{folder}/text.pem", "holds no certificate"),
        ("SSL_CERT_DIR", "{folder}/gone", "openssl rehash"),
        ("SSL_CERT_DIR", "{folder}", "openssl rehash"),
    ],
)
def test_a_variable_that_no_client_can_use_is_named_with_the_remedy(
    variable: str, value: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    monkeypatch.setenv(variable, value.format(folder=tmp_path))

    with pytest.raises(SettingsError) as caught:
        check_network()

    assert str(caught.value).startswith(f"{variable} ")
    assert told in str(caught.value)
    assert "h1dden-pw" not in str(caught.value)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost, 10.0.0.0/8,::1,*.example.com"},
        {"ALL_PROXY": "127.0.0.1:9", "NO_PROXY": "*"},
        {"SSL_CERT_FILE": certifi.where(), "SSL_CERT_DIR": "/nowhere"},
    ],
    ids=["nothing", "a proxy", "without a scheme", "the file wins over the folder"],
)
def test_what_a_client_can_use_is_taken(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    check_network()


def test_a_folder_of_certificates_by_hash_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1a2b3c4d.0").write_text("")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    check_network()


def test_it_is_told_before_anything_begins_and_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRUTO_API_TOKEN", "network-token")
    monkeypatch.setenv("NO_PROXY", "fd00::/8")
    truto = TrutoResource()

    with pytest.raises(SettingsError, match="NO_PROXY"):
        truto.client_opener(resolve_knobs({}), start_log=None)
    here = resolve_knobs({"base_url": "http://127.0.0.1:1"})
    assert truto.client_opener(here, start_log=None)


@contextmanager
def serving(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that answers every connection in its own way; its address."""
    done = threading.Event()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    answer(connection, done)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/services/s3cret-path"
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def hang(connection: socket.socket, done: threading.Event) -> None:
    done.wait(10)


def drip(connection: socket.socket, done: threading.Event) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100:
        if done.wait(0.05):
            return
        connection.sendall(bytes([byte]))


def answer_without_end(connection: socket.socket, done: threading.Event) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 503 Busy\r\n\r\n")
    done.wait(10)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (hang, "did not answer within 0.3 s"),
        (drip, "did not answer within 0.3 s"),
        (answer_without_end, "answered 503"),
    ],
)
def test_a_post_ends_in_time_whatever_the_server_does(answer: Any, told: str) -> None:
    with serving(answer) as url:
        began = time.monotonic()
        reason = post_json(url, {"text": "x"}, within_seconds=0.3)
        took = time.monotonic() - began

    assert reason is not None
    assert told in reason
    assert "s3cret" not in reason
    assert took < 1.5


def test_a_name_that_is_not_resolved_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = threading.Event()

    def resolve(*_: Any, **__: Any) -> Any:
        resolved.wait(10)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    began = time.monotonic()
    reason = post_json("http://localhost:1/x", {"text": "x"}, within_seconds=0.3)
    took = time.monotonic() - began
    resolved.set()

    assert reason == "it did not answer within 0.3 s"
    assert took < 1.5


def test_half_a_character_is_posted_all_the_same() -> None:
    received: list[bytes] = []

    def take(connection: socket.socket, done: threading.Event) -> None:
        while b"}" not in b"".join(received):
            received.append(connection.recv(1000))
        connection.sendall(b"HTTP/1.1 204 Done\r\n\r\n")

    with serving(take) as url:
        assert post_json(url, {"text": "half \ud83d"}) is None

    assert b'{"text": "half \\ud83d"}' in b"".join(received)


def wait_for(*names: str) -> list[Undelivered]:
    return [Undelivered({"event": "run_failed", "text": name}) for name in names]


def test_only_what_was_tried_has_one_try_less() -> None:
    """Else a message that the server refuses would take all those behind it along."""
    waiting: Any = wait_for("refused", "good", "better")
    given_up: Any = []
    for _ in range(MAX_TRIES):
        assert not given_up
        delivery = deliver(waiting, lambda one: "no" if one["text"] == "refused" else None)
        waiting, given_up = delivery.waiting, delivery.given_up

    assert [one["text"] for one in given_up] == ["refused"]
    assert [(one.message["text"], one.tries) for one in waiting] == [("good", 0), ("better", 0)]


def test_what_there_was_no_time_for_waits_without_a_try() -> None:
    times = iter([True, False])

    delivery = deliver(wait_for("a", "b"), lambda one: None, is_time_left=lambda: next(times))

    assert (delivery.delivered, delivery.reason) == (1, None)
    assert [(one.message["text"], one.tries) for one in delivery.waiting] == [("b", 0)]


@pytest.mark.parametrize(
    "kept",
    [None, 5, "text", [1], [{}], [{"message": {}, "tries": 1}], [{"message": 1, "tries": "x"}]],
)
def test_a_mangled_outbox_is_left_out(kept: object) -> None:
    assert from_plain(kept) == []


def test_an_outbox_goes_through_a_cursor() -> None:
    waiting = [Undelivered({"event": "run_failed", "text": "x"}, tries=2)]

    assert from_plain(to_plain(waiting)) == waiting


def test_a_module_that_is_not_installed_is_searched_for_once_and_not_at_each_request(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            searched.append(name)

    monkeypatch.delitem(sys.modules, "sniffio", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    stand.put(A, groups_of(250))
    assert stand.outcomes(A) == {A: "published"}
    assert len(stand.server.requests) > 2
    assert searched.count("sniffio") <= 1
