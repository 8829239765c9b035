"""HTTP servers inside a process that others run in too: they neither take the signals nor end the process."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

DRAIN_SECONDS = 20


class PortInUse(Exception):  # noqa: N818  a fact about the machine
    """The address cannot be listened on."""


class Server(uvicorn.Server):
    """uvicorn without its signal handling; the supervisor owns the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, whose connections send at once. Raises PortInUse."""
    try:
        listening = socket.create_server((host, port), backlog=1024, reuse_port=False)
    except OSError as error:
        raise PortInUse(f"cannot listen on {host}:{port}: {error.strerror}") from error
    # The event loop does this only for sockets of its own making; without it, a body waits 40 ms for the head's acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def server(app: Any) -> Server:
    """A server that drains for at most 20 s when asked to end (`should_exit`)."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        http="httptools",
    )
    return Server(config)
