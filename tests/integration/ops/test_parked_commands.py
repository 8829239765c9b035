"""`baton parked`: what an operator sees and does at the terminal."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from baton.ops import parking, reaching
from shared.db.transaction import Database
from shared.http import parked as routes
from shared.ids import new_id
from shared.runtime import serving
from shared.runtime.service import Service
from tests.integration.shared.processes import free_port
from tests.integration.shared.test_parked_tools import Site, edge_of
from tests.integration.shared.test_parking import drained, log_of, rows, run
from tests.integration.shared.waiting import running

WHY = ("--reason", "mended in test")


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where commands are typed."""

    state: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    async def type(self, *arguments: str, typed: str | None = None, code: int = 0) -> str:
        """What a command printed; it must end with that code."""
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, "BATON_STATE": str(self.state), "COLUMNS": "250", **self.settings}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "baton", *arguments, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=environment
        )
        told = (await process.communicate((typed or "").encode()))[0].decode()
        assert (process.returncode == 0) == (code == 0), told
        assert "Traceback" not in told, told
        return re.sub(r"[ \t]+", " ", told)


@pytest.fixture
async def terminal(
    alone: Database, service: Service, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Terminal]:
    """A terminal before a service whose internal port serves the operators' routes."""
    port = free_port()
    server = serving.server(routes.application(edge_of(alone, service, keys)))
    serve = asyncio.create_task(server.serve(sockets=[serving.listen("127.0.0.1", port)]))
    (tmp_path / "keys").symlink_to(keys)
    profile = {
        "issuer": "https://baton.test",
        "services": {"sales": {"url": "http://127.0.0.1:1", "internal_url": f"http://127.0.0.1:{port}"}},
    }
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    yield Terminal(tmp_path)
    server.should_exit = True
    await serve


@pytest.fixture
def site(alone: Database) -> Site:
    return Site(alone)


async def test_parked_events_are_listed_shown_and_exported_byte_for_byte(terminal: Terminal, site: Site, tmp_path: Path) -> None:
    bad, subject = new_id(), new_id()
    records, start = await log_of(site.database, [bad, subject])
    site.refusing.subjects = {bad}
    hostile = b'\x00\xff{"a": "\x1b[31m"}'
    await site.applier.apply([records[0], replace(records[1], value=hostile)], start)
    printed = await terminal.type("parked", "list", "sales")
    assert f"{bad} ValueError" in printed
    assert "waits for a person" in printed
    first, second = json.loads(await terminal.type("parked", "list", "sales", "--json"))
    assert (first["of"], first["error_code"], second["key"]) == ("sales", "ValueError", str(subject))
    assert "no parked event" in await terminal.type("parked", "list", "sales", "--is", "applied")
    assert "no parked event" in await terminal.type("parked", "list", "sales", "--older-than", "2h")

    shown = await terminal.type("parked", "show", "sales", str(first["id"]))
    assert f'"lead_id": "{bad}"' in shown
    assert "header ce_type lead-accepted" in shown
    odd = await terminal.type("parked", "show", "sales", str(second["id"]))
    assert "\\xff" in odd
    assert "\x1b" not in odd

    folder = tmp_path / "out"
    assert "2 event(s) written" in await terminal.type("parked", "export", "sales", "--to", str(folder))
    assert (folder / f"{second['id']}.value").read_bytes() == hostile
    assert (folder / f"{first['id']}.value").read_bytes() == records[0].value
    assert json.loads((folder / f"{second['id']}.json").read_bytes())["topic"] == "lead-rejected"


async def test_an_event_is_mended_and_retried_from_the_terminal(terminal: Terminal, site: Site, tmp_path: Path) -> None:
    subject = new_id()
    records, start = await log_of(site.database, [subject, subject])
    await site.applier.apply([replace(records[0], value=b"{"), records[1]], start)
    (first, _) = json.loads(await terminal.type("parked", "list", "sales", "--json"))
    file = tmp_path / "value.json"
    file.write_bytes(records[0].value or b"")
    await terminal.type("parked", "edit", "sales", str(first["id"]), "--file", str(file), *WHY)
    async with running(site.drain):
        printed = await terminal.type("parked", "retry", "sales", str(first["id"]), *WHY)
    assert "1 resolved" in printed
    assert await site.seen(subject) == [1, 2]
    assert [(said.action, said.principal, said.reason) for said in await site.audit()] == [
        ("parked.edit", f"https://baton.test#{reaching.whoami()}", "mended in test"),
        ("parked.retry", f"https://baton.test#{reaching.whoami()}", "mended in test"),
    ]


async def test_many_are_counted_and_then_retried_at_a_rate(terminal: Terminal, site: Site) -> None:
    bad = [new_id() for _ in range(5)]
    await site.park(bad * 2, set(bad))
    chosen = ("parked", "retry", "sales", "--error-code", "ValueError")
    assert "5 event(s) of 5 key(s) would be tried again" in await terminal.type(*chosen, "--dry-run")
    assert await site.audit() == []
    site.refusing.subjects = set(bad[:1])
    async with running(site.drain):
        printed = await terminal.type(*chosen, "--rate", "20", *WHY)
    assert "5 event(s) of 5 key(s) are tried again" in printed
    assert "4 resolved; 1 still open: baton parked list sales --error-code ValueError" in printed
    assert [sorted(await site.seen(one)) for one in bad] == [[], [1, 2], [1, 2], [1, 2], [1, 2]]
    assert len(await site.audit()) == 1


async def test_what_is_discarded_is_asked_about(terminal: Terminal, site: Site) -> None:
    bad = new_id()
    await site.park([bad, bad], {bad})
    (first, behind) = json.loads(await terminal.type("parked", "list", "sales", "--json"))
    await terminal.type("parked", "discard", "sales", str(first["id"]), *WHY, typed="n\n", code=1)
    assert {row.state for row in await rows(site.database, "parked_event")} == {"open"}
    site.refusing.subjects = set()
    printed = await terminal.type("parked", "discard", "sales", str(first["id"]), *WHY, typed="y\n")
    assert "1 event(s) discarded" in printed
    assert await drained(site.drain) == 1
    assert await site.seen(bad) == [2]
    refused = await terminal.type("parked", "discard", "sales", str(behind["id"]), "--yes", *WHY, code=1)
    assert "ALREADY_RESOLVED" in refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["retry", "sales"], "say why by --reason"),
        (["retry", "sales", *WHY], "give ids, a filter"),
        (["retry", "sales", "1", "--topic", "lead-routed", *WHY], "not both"),
        (["retry", "sales", "99999", *WHY], "NOT_FOUND"),
        (["show", "sales", "99999"], "NOT_FOUND"),
        (["show", "loyalty", "1"], "there is no service `loyalty`"),
        (["show", "handoff", "1"], "BATON_INTERNAL_URL_HANDOFF"),
        (["list", "sales", "--older-than", "soon"], "an age is a number"),
        (["list", "sales", "--is", "lost"], "INVALID_CONTENT|LITERAL_ERROR"),
        (["edit", "sales", "1", "--file", "/nowhere/value.json", *WHY], "cannot be read"),
    ],
)
async def test_what_cannot_be_done_is_said_in_a_line(terminal: Terminal, arguments: list[str], said: str) -> None:
    assert re.search(said, await terminal.type("parked", *arguments, code=1))


async def test_a_place_behind_a_pipe_is_reached_like_any_other(terminal: Terminal, site: Site) -> None:
    bad = new_id()
    await site.park([bad], {bad})
    port = json.loads((terminal.state / "profile.json").read_bytes())["services"]["sales"]["internal_url"].rpartition(":")[2]
    command = ("bash", "-c", reaching._PIPE.replace(str(reaching.INTERNAL_PORT), port))
    async with reaching.forwarded(command) as address:
        there = Terminal(terminal.state, {"BATON_INTERNAL_URL_SALES": address})
        for printed in await asyncio.gather(*(there.type("parked", "list", "sales") for _ in range(2))):
            assert str(bad) in printed


@pytest.mark.parametrize(
    ("value", "text"),
    [(b'{"a":1}', '{\n  "a": 1\n}'), (b"\xff\x00x", "\\xff\\x00x"), (b"a\x1bb\xe2\x80\xae", "a\\x1bb\\x202e"), (b"", "")],
)
def test_a_value_is_shown_without_what_a_terminal_would_obey(value: bytes, text: str) -> None:
    assert parking.shown(value) == text


def test_a_long_value_is_cut() -> None:
    assert "300002 bytes in all" in parking.shown(b'"' + b"x" * 300_000 + b'"')


async def test_nothing_is_due_before_it_is_asked_for(site: Site) -> None:
    bad = new_id()
    await site.park([bad], {bad})
    await run(site.database, "UPDATE parked_key SET next_attempt_at = NULL")
    assert await drained(site.drain) == 0
