"""An address beyond this machine that answers it, and knows no way to its containers: as every network outside is."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import create_connection

MACHINE, OUTSIDE = "198.51.100.1", "198.51.100.2"  # addresses kept for documentation
PORT = 8080
ANSWER = """\
import socket
with socket.create_server(("", 8080)) as server:
    print("listening", flush=True)
    while True:
        server.accept()[0].close()
"""


@contextmanager
def neighbour() -> Iterator[tuple[str, int]]:
    """Its address and port; gone at the end. It takes the rights of root: without them the test fails."""
    name = f"baton-{secrets.token_hex(3)}"
    here, there = f"{name[-6:]}-here", f"{name[-6:]}-there"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        _ip("address", "add", f"{MACHINE}/30", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-netns", name, "address", "add", f"{OUTSIDE}/30", "dev", there)
        _ip("-netns", name, "link", "set", there, "up")
        command = ["ip", "netns", "exec", name, sys.executable, "-c", ANSWER]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                assert server.stdout.readline() == "listening\n"
                _await_machine()
                yield OUTSIDE, PORT
            finally:
                server.kill()
    finally:
        _ip("netns", "delete", name)


def _await_machine() -> None:
    until = time.monotonic() + 10
    while True:
        with suppress(OSError), create_connection((OUTSIDE, PORT), 1):
            return
        assert time.monotonic() < until, "this machine does not reach its neighbour"
        time.sleep(0.1)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr.strip()} (run this test as root)"
