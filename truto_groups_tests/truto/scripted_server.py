"""A loopback server that answers what a test tells it to, down to broken connections."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw_query: str


@dataclass(frozen=True)
class Reply:
    """What to answer.

    ``missing_bytes`` are promised and never sent, ``seconds`` waited before, and ``drip_seconds``
    before each byte. Without a length the end of the connection is the end of the body.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    missing_bytes: int = 0
    seconds: float = 0.0
    drip_seconds: float = 0.0
    has_length: bool = True


def reply_json(value: Any, *, status: int = 200, **headers: str) -> Reply:
    """Answer JSON; an underscore in a header's name is a hyphen."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    named["content-type"] = "application/json"
    return Reply(json.dumps(value).encode(), status, named)


class ScriptedServer:
    """Serves ``answer``, which a test may replace, and keeps what was asked."""

    def __init__(self) -> None:
        """Take a free port; serving starts with ``serve``."""
        self.answer: Callable[[Asked], Reply] = lambda asked: Reply(status=404)
        self.asked: list[Asked] = []
        self.at_once = 0
        self.most_at_once = 0
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _build_handler(self))
        self._http.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def serve(self) -> None:
        self._http.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()

    def reply(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            reply = self.answer(asked)
            self.stopped.wait(reply.seconds)
            return reply
        finally:
            with self._lock:
                self.at_once -= 1


@contextmanager
def run_server() -> Iterator[ScriptedServer]:
    """Serve on a free port of the loopback."""
    server = ScriptedServer()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def _build_handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): text for name, text in self.headers.items()}
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), headers, parts.query)
            reply = server.reply(asked)
            try:
                self.send_response(reply.status)
                for name, text in reply.headers.items():
                    self.send_header(name, text)
                if reply.has_length:
                    length = len(reply.body) + reply.missing_bytes
                    self.send_header("content-length", str(length))
                self.end_headers()
                self._write(reply)
            except OSError:
                self.close_connection = True  # the client has gone, as a cancelled one does
            if reply.missing_bytes or not reply.has_length:
                self.close_connection = True

        def _write(self, reply: Reply) -> None:
            if not reply.drip_seconds:
                self.wfile.write(reply.body)
                return
            for byte in reply.body:
                if server.stopped.wait(reply.drip_seconds):
                    return
                self.wfile.write(bytes([byte]))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
