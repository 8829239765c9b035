"""Ports on the loopback address: chosen once, kept for later starts."""

import random
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from baton.local.errors import LocalError

HOST = "127.0.0.1"
PATIENCE = 2  # seconds that a server just killed may take to let go of its port
LOWEST = 20_000


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(names: Iterable[str], fixed: Mapping[str, int]) -> dict[str, int]:
    """A port per name: the fixed one where given, else a free one that no client's own end of a connection can take meanwhile.

    The kernel gives clients ports of its ephemeral range; a server stopped for a moment could lose one of those to any outgoing connection.
    """
    chosen = dict(fixed)
    highest = _below_ephemeral()
    for name in names:
        while name not in chosen:
            port = random.randrange(LOWEST, highest)  # noqa: S311  no secret
            if port not in chosen.values() and is_free(port):
                chosen[name] = port
    return chosen


def check(ports: Mapping[str, int], names: Iterable[str]) -> None:
    """Raises LocalError naming the first port of `names` that another program holds or that two parts share."""
    for name in names:
        port = ports[name]
        twin = next((other for other, number in ports.items() if number == port and other != name), None)
        if twin:
            raise LocalError(f"port {port} is given to both {name} and {twin}: give one of them another, e.g. --port {name}={port + 1}")
        until = time.monotonic() + PATIENCE
        while not is_free(port) and time.monotonic() < until:
            time.sleep(0.05)
        if not is_free(port):
            raise LocalError(
                f"port {port} for {name} is in use by another program: end that program, or give another port: --port {name}=NUMBER"
            )


def _below_ephemeral() -> int:
    try:
        lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        lowest = 32_768
    return lowest if lowest > LOWEST + 1_000 else 32_768
