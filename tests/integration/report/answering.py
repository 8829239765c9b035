"""The services as a report sees them: fixed answers over HTTP, lists in pages whose cursor belongs to what was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from baton import client as api

Asked = tuple[str, dict[str, str]]


class Answering(ThreadingHTTPServer):
    """Answers by path; an answer with `items` comes one item per page. A list asked for without an instant gets one of its own."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.asked: list[Asked] = []

    @property
    def environment(self) -> dict[str, str]:
        """What leads the command line here."""
        address = f"http://127.0.0.1:{self.server_address[1]}"
        return {
            name: value
            for service in api.SERVICES
            for name, value in ((f"BATON_URL_{service.upper()}", address), (f"BATON_TOKEN_{service.upper()}", "t"))
        }

    def answer(self, path: str, asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """One request."""
        self.asked.append((path, asked))
        if path not in self.answers:
            return 404, {"code": "NOT_FOUND", "detail": path}
        answer = self.answers[path]
        if "items" not in answer:
            return 200, answer
        filters = {name: value for name, value in asked.items() if name not in {"cursor", "page_size"}}
        at, _, bound = asked.get("cursor", "0").partition(":")
        if bound and bound != json.dumps(filters):
            return 400, {"code": "INVALID_CURSOR", "detail": "This cursor does not belong to this list."}
        items = answer["items"][int(at) : int(at) + 1]
        following = f"{int(at) + 1}:{json.dumps(filters)}" if int(at) + 1 < len(answer["items"]) else None
        return 200, {**answer, "as_of": asked.get("as_of", answer["as_of"]), "items": items, "next": following}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Answering)
        asked = urlsplit(self.path)
        status, answer = self.server.answer(asked.path, dict(parse_qsl(asked.query)))
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name there
        """Says nothing."""


@contextmanager
def served(answers: Mapping[str, Any]) -> Iterator[Answering]:
    """The same on this machine, for as long as it is needed."""
    server = Answering(answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
