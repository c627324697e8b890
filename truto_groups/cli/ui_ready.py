"""What ``make ui`` runs beside Dagster: it says when the UI answers, and where.

Run as ``python -m truto_groups.cli.ui_ready PORT PROCESS``, a child of the process that becomes
Dagster; it ends with that.
"""

import http.client
import os
import sys
import time

from truto_groups.cli.terminal import say_as_typed

_LOOPBACK = "127.0.0.1"
_SECONDS_BETWEEN = 0.5
_PING_SECONDS = 5.0


def announce(port: int, *, process: int) -> None:
    """Wait until Dagster's webserver answers on this port, then print its address.

    Args:
        port: On loopback.
        process: The parent of this one, without which nothing is waited for.
    """
    while os.getppid() == process:
        if _answers(port):
            say_as_typed(f"Dagster is ready: http://{_LOOPBACK}:{port} (stop it with Ctrl-C)")
            return
        time.sleep(_SECONDS_BETWEEN)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(_LOOPBACK, port, timeout=_PING_SECONDS)
    try:
        connection.request("GET", "/server_info")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    try:
        announce(int(sys.argv[1]), process=int(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(130)
