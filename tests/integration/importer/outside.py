"""The outside world of the importer: three services in a dictionary, over real HTTP or in the same process."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import uvicorn

Body = dict[str, Any]
Store = dict[tuple[str, str], Body]
ADDRESSES = {service: f"http://{service}.test" for service in ("marketing", "sales", "distribution")}
PATHS = {
    f"/v1/{name.replace('_', '-')}/batch": name
    for name in ("leads", "opportunities", "deals", "orders", "order_lines", "approvals", "shipments", "deliveries", "cancellations")
}


def failed(index: int, code: str, detail: str = "It is so.", errors: list[Body] | None = None) -> Body:
    """The result of a refused item."""
    return {"index": index, "status": "failed", "id": None, "problem": {"code": code, "detail": detail, "errors": errors or []}}


@dataclass
class Outside:
    """What the services have been told, and the ways in which they can be difficult."""

    sources: dict[str, Body] = field(default_factory=dict)
    leads: Store = field(default_factory=dict)
    opportunities: Store = field(default_factory=dict)
    deals: Store = field(default_factory=dict)
    orders: Store = field(default_factory=dict)
    order_lines: Store = field(default_factory=dict)
    approvals: Store = field(default_factory=dict)
    shipments: Store = field(default_factory=dict)
    deliveries: Store = field(default_factory=dict)
    cancellations: Store = field(default_factory=dict)
    requests: list[tuple[str, int]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    created: int = 0
    behind: int = 0  # so many more requests until sales knows the leads
    refuses: Callable[[Body], str | None] = lambda _: None
    before: Callable[[str], httpx2.Response | None] = lambda _: None
    slow: float = 0.0
    held: Callable[[], bool] = lambda: False  # over HTTP: no request is looked at meanwhile

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """As a transport of the client."""
        early = self.before(request.url.path)
        if early is not None:
            return early
        status, content = self.handle(request.method, request.url.path, request.content, request.headers.get("Idempotency-Key"))
        return httpx2.Response(status, json=content)

    def handle(self, method: str, path: str, content: bytes, key: str | None) -> tuple[int, Body]:
        """One request."""
        body = json.loads(content) if content else {}
        if method == "PUT" and path.startswith("/v1/sources/"):
            self.sources[path.rpartition("/")[2]] = body
            return 200, body
        if method != "POST" or path not in PATHS or key is None:
            return 404, {"code": "NOT_FOUND", "detail": f"{method} {path}", "errors": []}
        self.keys.append(key)
        self.requests.append((path, len(body["items"])))
        if path != "/v1/leads/batch":
            self.behind = max(0, self.behind - 1)
        return 200, {"items": [self._store(index, item, getattr(self, PATHS[path])) for index, item in enumerate(body["items"])]}

    def _store(self, index: int, item: Body, store: Store) -> Body:
        refused = self.refuses(item)
        if refused:
            return failed(index, refused, errors=[{"code": refused, "field": "/labels", "message": "Not this one."}])
        if not self._knows(item, store):
            return failed(index, "NOT_KNOWN_YET")
        known = store.setdefault((item["source"], item["external_id"]), item)
        if known is item:
            self.created += 1
            return {"index": index, "status": "created", "id": None}
        if {**known, "on_conflict": 0} == {**item, "on_conflict": 0}:
            return {"index": index, "status": "unchanged", "id": None}
        if item.get("on_conflict") == "update":
            store[item["source"], item["external_id"]] = item
            return {"index": index, "status": "updated", "id": None}
        return failed(index, "LEAD_CONTENT_DIFFERS")

    def _knows(self, item: Body, store: Store) -> bool:
        if store is self.leads:
            return True
        kind, needed = (
            ("lead_id", self.leads) if "lead_id" in item else ("deal_id", self.deals) if store is self.orders else ("order_id", self.orders)
        )
        return not self.behind and item[kind] in {known[kind] for known in needed.values()}

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """As an ASGI application."""
        content = b""
        while (message := await receive())["type"] == "http.request":
            content += message.get("body", b"")
            if not message.get("more_body"):
                break
        if message["type"] == "http.disconnect":  # the client was killed while it sent
            return
        await asyncio.sleep(self.slow)
        while self.held():  # noqa: ASYNC110  what it waits for is changed by another thread
            await asyncio.sleep(0.005)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, body = self.handle(scope["method"], scope["path"], content, headers.get("idempotency-key"))
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@contextmanager
def served(outside: Outside) -> Iterator[str]:
    """The same over HTTP on this machine; gives the address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(outside, lifespan="off", log_level="error", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
