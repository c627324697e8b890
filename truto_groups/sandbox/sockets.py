"""HTTP on a socket: keep-alive, gzip, chunks, and the faults that a response asks for.

What is answered is app.py's.
"""

import logging
import socket
import socketserver
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

from truto_groups.sandbox import error_bodies
from truto_groups.sandbox.wire import Request, Response

logger = logging.getLogger(__name__)

# On every answer, so that a caller can tell whose port this is.
IDENTITY = ("X-Truto-Sandbox", "truto-groups")

_COMPRESS_FROM_BYTES = 1024
_CHUNK_BYTES = 16 * 1024


class HttpServer(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], answer: Callable[[Request], Response]) -> None:
        """Listen; ``answer`` is called from many threads."""
        self.answer = answer
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection and hand it to a thread of its own."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection and close it."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Close what is kept alive: its thread would go on to answer after the server closed."""
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                logger.debug("connection was closed already")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet about a client that hung up."""
        logger.debug("connection broke off", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write and no Nagle: head and body apart would cost a delayed acknowledgement of 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
            return
        if not self.parse_request():
            return
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query_string = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, query_string, headers)
        try:
            response = cast(HttpServer, self.server).answer(request)
        except Exception:
            logger.exception("the sandbox failed on %s %s", request.method, request.path)
            response = error_bodies.truto_error(500, "The sandbox failed; see its log")
        self._send(response)

    def _send(self, response: Response) -> None:
        if response.delay_seconds:
            time.sleep(response.delay_seconds)
        if response.hang_up:
            self.close_connection = True
            return
        is_long = len(response.body) >= _COMPRESS_FROM_BYTES
        is_gzip = is_long and "gzip" in self.headers.get("Accept-Encoding", "")
        body = response.gzip_body if is_gzip else response.body
        self.wfile.write(self._head(response, body, is_gzip=is_gzip))
        if response.cut_at is not None:
            self.wfile.write(body[: response.cut_at])
            self.close_connection = True
        elif response.is_chunked:
            for start in range(0, len(body), _CHUNK_BYTES):
                chunk = body[start : start + _CHUNK_BYTES]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
        elif self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _head(self, response: Response, body: bytes, *, is_gzip: bool) -> bytes:
        headers = {
            "Server": "truto-sandbox",
            "Date": self.date_time_string(),
            IDENTITY[0]: IDENTITY[1],
            "Content-Type": response.content_type,
            **response.headers,
        }
        if response.is_chunked:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = str(len(body))
        if is_gzip:
            headers["Content-Encoding"] = "gzip"
        if self.close_connection:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {response.status} {_phrase(response.status)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
