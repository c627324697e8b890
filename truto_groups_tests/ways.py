"""A way to a server that can be cut and mended, without ending the server."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Way:
    """Leads from a port of its own to a server's, until it is cut.

    Attributes:
        port: Where it begins, also after it was mended.
        is_silent: Whether who comes is let on and hears nothing.
    """

    def __init__(self, port: int) -> None:
        self._there = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.is_silent = False
        self.port: int = self._listener.getsockname()[1]
        self._listen()

    def cut(self) -> None:
        """Cut off who is on it, and let nobody on."""
        end(self._listener, *self._open)
        self._open.clear()

    def mend(self) -> None:
        """Let everybody on again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listen()

    def _listen(self) -> None:
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                if self.is_silent:
                    self._open.append(here)
                    continue
                there = socket.create_connection(self._there)
                self._open += [here, there]
                self.carry(here, there)

    def carry(self, here: socket.socket, there: socket.socket) -> None:
        """Carry what both sides of a connection say from one to the other, and return at once."""
        for ends in ((here, there), (there, here)):
            threading.Thread(target=_carry, args=ends, daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    end(source, target)


def end(*sockets: socket.socket) -> None:
    """End connections for both sides, also where somebody waits for one of them."""
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextmanager
def way_to(port: int) -> Iterator[Way]:
    """A way for the length of the block."""
    way = Way(port)
    try:
        yield way
    finally:
        way.cut()
