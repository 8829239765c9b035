"""A registry of few lines on the loopback address, in good order or not."""

import contextlib
import functools
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path


class Registry(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and keeps no log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


def half(request: http.server.SimpleHTTPRequestHandler) -> bytes:
    """The head of an answer and the first half of the file it announces."""
    content = Path(request.translate_path(request.path)).read_bytes()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content[: len(content) // 2]


def answering(answer: bytes | Callable[[http.server.SimpleHTTPRequestHandler], bytes], *, holding: threading.Event | None = None):
    """A registry that gives this answer to every request and closes, or holds the connection open until told."""

    class Strange(Registry):
        def do_GET(self) -> None:
            self.wfile.write(answer(self) if callable(answer) else answer)
            self.wfile.flush()
            if holding:
                holding.wait(60)
            self.close_connection = True

    return Strange


class Server(http.server.ThreadingHTTPServer):
    """Says nothing of a client that went away in the middle."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def serving(folder: Path, handler: type[Registry] = Registry) -> Iterator[None]:
    """Run a registry, and name it as the mirror."""
    server = Server(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    mirror = f"http://reader:secret@127.0.0.1:{server.server_port}"
    Path(os.environ["JGO_CONFIG_FILE"]).write_text(f"[repositories]\ncentral = {mirror}\n")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
