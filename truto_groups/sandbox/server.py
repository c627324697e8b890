"""The sandbox as a server on loopback: start, stop, the log of requests, fault injection.

What is answered is app.py's, how it goes over the wire sockets.py's.
"""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from truto_groups.sandbox.app import PAGE_CACHE_BYTES, Sandbox
from truto_groups.sandbox.ceilings import Ceilings
from truto_groups.sandbox.samples import sample_accounts
from truto_groups.sandbox.served_accounts import Account
from truto_groups.sandbox.sockets import HttpServer
from truto_groups.sandbox.wire import Request, Response

SETTINGS_PATH = Path(__file__).with_name("settings.yaml")
DEFAULT_PORT = 8790
DEFAULT_TOKEN = "sandbox-token"  # noqa: S105

_KEPT_REQUESTS = 100_000

Intercept = Callable[[Request], Response | None]


class SandboxServer:
    """Truto on a port of this machine; a context manager, serving from its creation on."""

    def __init__(
        self,
        port: int = 0,
        *,
        token: str = DEFAULT_TOKEN,
        accounts: Iterable[Account] | None = None,
        state_path: Path | None = None,
        intercept: Intercept | None = None,
        latency_seconds: float = 0.0,
        ceilings: Ceilings | None = None,
        page_cache_bytes: int = PAGE_CACHE_BYTES,
    ) -> None:
        """Start to serve.

        Args:
            port: On 127.0.0.1; 0 takes a free one.
            token: The bearer token that is accepted.
            accounts: What is connected; the samples when not given.
            state_path: Keeps which refresh each account is at, so that a restart goes on.
            intercept: Sees each request first and may answer it, to inject faults; ``answer`` says
                what would have been answered. It can be exchanged while serving.
            latency_seconds: Waited before each answer.
            ceilings: Limits on requests to enforce; None enforces none.
            page_cache_bytes: Encoded pages that are kept, so that serving them again is cheap.

        Raises:
            OSError: The port is taken.
        """
        served = sample_accounts() if accounts is None else accounts
        self.token = token
        self.intercept = intercept
        self.latency_seconds = latency_seconds
        self._app = Sandbox(
            served,
            token=token,
            state_path=state_path,
            ceilings=ceilings,
            page_cache_bytes=page_cache_bytes,
        )
        self._requests: list[Request] = []
        self._server = HttpServer(("127.0.0.1", port), self.handle)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="truto-sandbox",
            daemon=True,
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is served."""
        return self._server.server_address[1]

    @property
    def base_url(self) -> str:
        """What to give as ``TRUTO_BASE_URL``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests so far, in the order they came in (the first 100,000)."""
        return tuple(self._requests)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All accounts as they are now."""
        return self._app.accounts

    def forget_requests(self) -> None:
        """Empty the log of requests."""
        self._requests.clear()

    def answer(self, request: Request) -> Response:
        """Say what the sandbox answers, without the intercept; for one that changes the answer."""
        return self._app.answer(request)

    def put_account(self, account: Account) -> None:
        """Connect an account, or replace the one with its id."""
        self._app.put_account(account)

    def remove_account(self, integrated_account_id: str) -> None:
        """Disconnect an account."""
        self._app.remove_account(integrated_account_id)

    def refresh_of(self, integrated_account_id: str) -> int:
        """The refresh that an account is at, from 1; ``Account.groups_at`` has its groups."""
        return self._app.clock.refresh_of(integrated_account_id)

    def turn_to(self, integrated_account_id: str, *, refresh: int) -> None:
        """Put an account to a refresh."""
        self._app.clock.turn_to(integrated_account_id, refresh=refresh)

    def handle(self, request: Request) -> Response:
        """Log a request and answer it, faults included."""
        if len(self._requests) < _KEPT_REQUESTS:
            self._requests.append(request)
        if self.latency_seconds:
            time.sleep(self.latency_seconds)
        injected = self.intercept(request) if self.intercept is not None else None
        return self.answer(request) if injected is None else injected

    def close(self) -> None:
        """Stop serving and close all connections; a second call does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.close_connections()

    def __enter__(self) -> Self:
        """Serve for the length of a block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop at the end of the block."""
        self.close()
