"""Hosts on this machine: network namespaces on a bridge, and processes that run in them.

What runs there is the other modules' business. Needs root, `ip` of iproute2 and `unshare` of
util-linux.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

# A disk that this process alone sees lies over a folder of the trial's.
_ON_A_DISK_OF_ITS_OWN = """
hostname "$1" && mount -t tmpfs tmpfs "$2" && cp -r "$3/." "$2" && cd "$2" && mkdir home tmp
export HOME="$2/home" TMPDIR="$2/tmp"
shift 3
exec "$@"
"""
_STOP_SECONDS = 20.0
_MOST_NETWORKS = 100


@dataclass(frozen=True)
class Disk:
    """A disk that each process has for itself, and that is lost when it ends.

    Attributes:
        path: Where each sees its own.
        content: A folder whose files are on it at first.
    """

    path: Path
    content: Path


@dataclass(frozen=True)
class Host:
    """One host of a network.

    Attributes:
        name: Of the host among the others.
        namespace: Of its network, as `ip netns` knows it.
        link: The bridge's end of its cable.
        address: Where the others reach it.
    """

    name: str
    namespace: str
    link: str
    address: str

    def start(
        self,
        *command: str,
        log: Path,
        variables: Mapping[str, str] | None = None,
        disk: Disk | None = None,
        user: str | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process on it, the first of a group of its own.

        Args:
            command: The program and its arguments.
            log: What it writes is added there.
            variables: Its environment; that of this process without.
            disk: The disk of its own that it gets.
            user: Who runs it; root without.
        """
        entered = ["ip", "netns", "exec", self.namespace]
        if disk is not None:
            script = ["sh", "-c", _ON_A_DISK_OF_ITS_OWN, "sh", self.name]
            entered += ["unshare", "--mount", "--uts", *script, str(disk.path), str(disk.content)]
        if user is not None:
            entered += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        with log.open("ab") as output:
            return subprocess.Popen(
                [*entered, *command],
                cwd="/",
                env=None if variables is None else dict(variables),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def cut(self) -> None:
        """Pull its cable out."""
        _ip("link", "set", self.link, "down")

    def mend(self) -> None:
        """Put its cable in again."""
        _ip("link", "set", self.link, "up")


@dataclass(frozen=True)
class Network:
    """A bridge with hosts.

    Attributes:
        name: Of the bridge, and the first part of its hosts' names.
        prefix: The first three numbers of all addresses.
    """

    name: str
    prefix: str

    @property
    def address(self) -> str:
        """Where the hosts reach this process."""
        return f"{self.prefix}.1"


def find_obstacle() -> str | None:
    """Say why there can be no hosts here; None where there can."""
    if os.geteuid() != 0:
        return "Network namespaces are root's to make."
    if missing := [one for one in ("ip", "unshare", "setpriv") if shutil.which(one) is None]:
        return f"{', '.join(missing)} cannot be found (Debian: iproute2, util-linux)."
    probe = ["unshare", "--net", "--mount", "--uts", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        return "This machine lets nobody make network namespaces."
    return None


@contextmanager
def open_network() -> Iterator[Network]:
    """Let a network be there for the length of the block."""
    network = _make_bridge()
    try:
        _ip("addr", "add", f"{network.address}/24", "dev", network.name)
        _ip("link", "set", network.name, "up")
        yield network
    finally:
        _ip("link", "delete", network.name)


@contextmanager
def open_host(network: Network, name: str, *, number: int) -> Iterator[Host]:
    """Let a host be in the network for the length of the block.

    Args:
        network: Where.
        name: Of the host.
        number: The last of its address; another for each host, and not 1.
    """
    host = Host(
        name,
        namespace=f"{network.name}-{name}",
        link=f"{network.name}p{number}",
        address=f"{network.prefix}.{number}",
    )
    within = ("-n", host.namespace)
    _ip("netns", "add", host.namespace)
    try:
        _ip("link", "add", host.link, "type", "veth",
            "peer", "name", "eth0", "netns", host.namespace)  # fmt: skip
        _ip("link", "set", host.link, "master", network.name, "up")
        _ip(*within, "addr", "add", f"{host.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip(*within, "link", "set", device, "up")
        yield host
    finally:
        # A namespace stays until its last process is gone, and the cable's end with it.
        _ip("netns", "delete", host.namespace)
        with suppress(RuntimeError):
            _ip("link", "delete", host.link)


def _make_bridge() -> Network:
    """Make the first bridge that nobody else on this machine has made."""
    for number in range(_MOST_NETWORKS):
        network = Network(f"tg{number}", f"10.{100 + number}.0")
        try:
            _ip("link", "add", network.name, "type", "bridge")
        except RuntimeError:
            if not Path("/sys/class/net", network.name).exists():
                raise
        else:
            return network
    raise RuntimeError(f"This machine has {_MOST_NETWORKS} trials' networks already.")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process as an operator would, and kill its whole group if it does not end."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            kill(process)


def kill(process: subprocess.Popen[bytes], *, by: int = signal.SIGKILL) -> None:
    """Let a process and all that it has started be gone at once."""
    if process.poll() is None:
        os.killpg(process.pid, by)
    process.wait()


def _ip(*arguments: str) -> None:
    command: Sequence[str] = ["ip", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
