"""`baton smoke` sees every hop of a lead, and names the first one that is missing."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import httpx2
import pytest

from baton import client as api
from baton.world import smoke
from tests.stack import Stack

HOPS = [name for name, _ in smoke.HOPS]
PROBLEMS = {
    403: b'{"type": "/problems/forbidden", "status": 403, "code": "FORBIDDEN", "detail": "This is not for you."}',
    404: b'{"type": "/problems/not-found", "status": 404, "code": "NOT_FOUND", "detail": "There is no such thing here."}',
}
PATIENT = 30.0

# What a request has to be, behind the service's name, for the hop to miss it.
MISSED = {
    "answering": "handoff GET /openapi.json",
    "captured": "marketing POST /v1/leads$",
    "qualified": "handoff GET /v1/leads/[^/]+/explain",
    "offered": "sales GET /v1/leads/[^/]+/offer",
    "accepted": "sales POST /v1/leads/[^/]+/accept",
    "won": "sales POST /v1/opportunities/[^/]+/win",
    "ordered": "distribution GET /v1/orders$",
    "shipped": "distribution POST /v1/orders/[^/]+/shipments",
    "delivered": "distribution POST /v1/orders/[^/]+/deliveries",
    "known": "handoff GET /v1/journeys",
    "counted": "marketing GET /v1/leads/[^/]+$",
}


@contextmanager
def missing(service: str, address: str, pattern: str, problem: int) -> Iterator[str]:
    """The address of a service that answers as the real one, but has nothing except a problem for requests that fit the pattern."""

    class Between(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if re.match(pattern, f"{service} {self.command} {self.path.partition('?')[0]}"):
                status, kind, content = problem, "application/problem+json", PROBLEMS[problem]
            else:
                passed_on = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "content-length"}}
                answer = httpx2.request(self.command, address + self.path, content=body, headers=passed_on, trust_env=False, timeout=30)
                status, kind, content = answer.status_code, answer.headers.get("content-type", ""), answer.content
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(BrokenPipeError):  # who asked may have waited long enough
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name of the method it replaces
            """Nothing: a test has its own words."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Between) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_every_hop_is_seen_in_order_and_a_second_lead_goes_the_same_way(stack: Stack) -> None:
    for _ in range(2):
        hops = [json.loads(line) for line in stack.run("smoke", "--json").splitlines()]
        assert [hop["name"] for hop in hops] == HOPS
        assert all(hop["seen"] for hop in hops)
        assert len({hop["lead_id"] for hop in hops}) == 1
        totals = [hop["total_ms"] for hop in hops]
        assert totals == sorted(totals)
        assert sum(hop["took_ms"] for hop in hops) == pytest.approx(totals[-1])


def test_people_read_a_line_for_each_hop(stack: Stack) -> None:
    lines = stack.run("smoke").splitlines()
    assert [line.split()[0] for line in lines] == [*HOPS, "every"]
    assert all(re.search(r"\d+ ms +\d+ ms  \S", line) for line in lines[:-1])


async def broken(stack: Stack, hop: str, problem: int, seconds: float) -> tuple[smoke.MissingHopError, list[str]]:
    """How a walk ends that cannot get past that hop, and the hops it saw before."""
    site = api.find_site(stack.state, {})
    service = MISSED[hop].split()[0]
    seen: list[str] = []
    with missing(service, site.addresses[service], MISSED[hop], problem) as address:
        elsewhere = replace(site, addresses={**site.addresses, service: address})
        with pytest.raises(smoke.MissingHopError) as caught:
            await smoke.walk(elsewhere, seconds=seconds, tell=lambda each: seen.append(each.name))
    return caught.value, seen


@pytest.mark.parametrize("hop", HOPS)
async def test_the_hop_that_is_refused_is_named_at_once(stack: Stack, hop: str) -> None:
    error, seen = await broken(stack, hop, 403, PATIENT)
    told = re.match(r"the hop `(\w+)` of lead ([0-9a-f-]{36}) is missing after [\d.]+ s: (.*)", str(error))
    assert told is not None, str(error)
    assert (told[1], error.hop) == (hop, hop)
    assert UUID(told[2]) == UUID(error.lead_id)
    assert told[3].startswith(f"{MISSED[hop].split()[0]} refused")
    assert "403" in told[3]
    assert error.waited_ms < 1000 * PATIENT
    assert seen == HOPS[: HOPS.index(hop)]


@pytest.mark.parametrize("hop", ["answering", "offered", "known"])
async def test_the_hop_that_is_not_seen_is_waited_for_and_named(stack: Stack, hop: str) -> None:
    error, seen = await broken(stack, hop, 404, 5)
    assert error.hop == hop
    assert error.waited_ms >= 4900
    assert re.match(r"the last answer: \w+ refused GET \S+ with 404", error.why), error.why
    assert seen == HOPS[: HOPS.index(hop)]


@contextmanager
def silent() -> Iterator[str]:
    """The address of something that takes every connection and never says a word, as a process that is frozen."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_service_that_takes_a_request_and_never_answers_is_waited_for_no_longer_than_asked(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent() as address:
        monkeypatch.setenv("BATON_URL_DISTRIBUTION", address)
        process = stack.start("smoke", "--seconds", "3", "--json")
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    missing_hop = json.loads(output.splitlines()[-1])
    assert missing_hop["missing"] == "answering"
    assert missing_hop["waited_ms"] < 15_000
    assert "the last answer: none from distribution to GET /openapi.json" in errors


def test_a_service_that_is_not_there_is_named_and_the_exit_code_is_one(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_URL_SALES", "http://127.0.0.1:9")
    process = stack.start("smoke", "--seconds", "3")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output == ""
    assert "the hop `answering`" in errors
    assert "sales does not answer at http://127.0.0.1:9" in errors


def test_a_refused_token_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_TOKEN_HANDOFF", "made.up.token")
    process = stack.start("smoke", "--seconds", "5")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the hop `qualified`" in errors
    assert "handoff refused" in errors
    assert "401" in errors
