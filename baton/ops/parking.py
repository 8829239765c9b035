"""What `baton parked` asks of the services, and how it shows the answers."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from baton import CommandError
from baton.client import Client
from baton.ops.reaching import operator

PAGE_SIZE = 200
PATH = "/ops/parked"
QUIET_SECONDS = 5.0
LOOK_SECONDS = 0.5
SHOWN_CHARACTERS = 20_000

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which events. `older_than`: seconds."""

    topic: str | None = None
    error_code: str | None = None
    key: str | None = None
    older_than: int | None = None
    state: str | None = None

    @property
    def given(self) -> dict[str, str | int]:
        """What was asked for."""
        named = {name: getattr(self, name) for name in ("topic", "error_code", "key", "older_than", "state")}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """How events of a service are tried again. `rate`: keys a second."""

    service: str
    rate: float
    reason: str
    wait: bool


async def list_of(folder: Path | None, services: Sequence[str], chosen: Filters, *, limit: int) -> list[Event]:
    """At most so many of each service, with its name beside."""
    found: list[Event] = []
    async with operator(folder, services) as client:
        for service in services:
            async for one in _each(client, service, chosen, limit):
                found.append({"of": service, **one})
    return found


async def get(folder: Path | None, service: str, parked_id: int) -> Event:
    """One with its bytes in base64."""
    async with operator(folder, [service]) as client:
        return {"of": service, **await client.get(service, f"{PATH}/{parked_id}")}


async def export(folder: Path | None, service: str, ids: Sequence[int], chosen: Filters, to: Path) -> int:
    """Writes them, byte for byte, and returns how many."""
    async with operator(folder, [service]) as client:
        wanted = list(ids) or [one["id"] async for one in _each(client, service, chosen)]
        for parked_id in wanted:
            _write(to, parked_id, await client.get(service, f"{PATH}/{parked_id}"))
    return len(wanted)


async def retry_each(folder: Path | None, asked: Retrying, ids: Sequence[int], *, dry_run: bool) -> None:
    """Has these tried now, one after the other; a dry run only shows what they are."""
    async with operator(folder, [asked.service]) as client:
        if dry_run:
            show_list([{"of": asked.service, **await client.get(asked.service, f"{PATH}/{one}")} for one in ids], len(ids))
            return
        with _bar() as bar:
            task = bar.add_task("asked for", total=len(ids))
            for place, one in enumerate(ids):
                await asyncio.sleep(1 / asked.rate if place else 0)
                await client.post(asked.service, f"{PATH}/{one}/retry", {"reason": asked.reason})
                bar.advance(task)
        if asked.wait:
            await _watch_each(client, asked.service, ids)


async def retry_chosen(folder: Path | None, asked: Retrying, chosen: Filters, *, dry_run: bool) -> None:
    """Has all open ones that the filters choose tried, at the rate; a dry run only counts them."""
    async with operator(folder, [asked.service]) as client:
        body = {**chosen.given, "rate": asked.rate, "dry_run": dry_run, "reason": asked.reason or None}
        answer = await client.post(asked.service, f"{PATH}/retry", body)
        meant = f"{answer['events']} event(s) of {answer['keys']} key(s)"
        if dry_run or not answer["keys"]:
            print(f"{meant} would be tried again" if dry_run else "nothing to try again")
            return
        print(f"{meant} are tried again, the last at {_instant(answer['last_at'])}")
        if asked.wait:
            await _watch_chosen(client, asked.service, chosen, answer)


def read(file: Path) -> str:
    """The text of a file, of standard input for `-`. CommandError if it is none."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return content.decode()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{file} is not UTF-8 text: a value is the text of a JSON object") from error


async def edit(folder: Path | None, service: str, parked_id: int, value: str, reason: str) -> None:
    """Puts this value in place of the one that came."""
    async with operator(folder, [service]) as client:
        await client.post(service, f"{PATH}/{parked_id}/edit", {"value": value, "reason": reason})


async def discard(folder: Path | None, service: str, ids: Sequence[int], reason: str) -> None:
    """Lets these go, in the order given."""
    async with operator(folder, [service]) as client:
        for parked_id in ids:
            await client.post(service, f"{PATH}/{parked_id}/discard", {"reason": reason})


def show_list(events: Sequence[Event], limit: int) -> None:
    """A table on the terminal."""
    if not events:
        print("no parked event")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("service", "id", "place in the log", "key", "error", "parked", "attempts", "next attempt", "size"):
        table.add_column(heading, justify="right" if heading in {"id", "attempts", "size"} else "left", overflow="fold")
    for one in events:
        table.add_row(*(_cell(cell) for cell in _row(one)))
    _console().print(table)
    if full := sorted({one["of"] for one in events if sum(other["of"] == one["of"] for other in events) >= limit}):
        print(f"there may be more of {', '.join(full)}: --limit shows them")


def show_whole(whole: Event) -> None:
    """One event as a table, its headers and its value beneath; JSON is set out, other bytes are shown as a reader would see them."""
    table = Table(box=None, show_header=False, pad_edge=False)
    names = (
        "of", "id", "state", "topic", "part", "offset", "kafka_ts", "key", "event_id", "error_class", "error_code", "error_text",
        "parked_at", "attempts", "next_attempt_at", "resolved_at", "size", "edited",
    )  # fmt: skip
    for name in names:
        table.add_row(name, _cell("–" if whole[name] is None else str(whole[name])))
    for name, value in whole["raw_headers"]:
        table.add_row(_cell(f"header {_part(name)}"), _cell(_part(value)))
    console = _console()
    console.print(table)
    for field, title in (("raw_value", "value as it came"), ("edited_value", "value as edited")):
        if whole[field] is not None:
            print(f"\n{title}:\n{shown(base64.b64decode(whole[field]))}")


def shown(value: bytes) -> str:
    """A value for the eye: JSON set out, else text without control characters, cut where it gets long."""
    try:
        text = json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = value.decode("utf-8", "backslashreplace")
    safe = "".join(sign if sign.isprintable() or sign == "\n" else f"\\x{ord(sign):02x}" for sign in text)
    return (
        safe
        if len(safe) <= SHOWN_CHARACTERS
        else f"{safe[:SHOWN_CHARACTERS]}\n… {len(value)} bytes in all: `baton parked export` writes them"
    )


def print_json(found: object) -> None:
    """As JSON, for programs."""
    print(json.dumps(found, indent=1, ensure_ascii=False, default=str))


def _write(to: Path, parked_id: int, whole: Event) -> None:
    try:
        to.mkdir(parents=True, exist_ok=True)
        for field, ending in (("raw_value", "value"), ("edited_value", "edited")):
            if whole[field] is not None:
                (to / f"{parked_id}.{ending}").write_bytes(base64.b64decode(whole[field]))
        rest = {name: value for name, value in whole.items() if name not in {"raw_value", "edited_value"}}
        (to / f"{parked_id}.json").write_text(json.dumps(rest, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{error.filename or to} cannot be written: {error.strerror}") from error


async def _each(client: Client, service: str, chosen: Filters, limit: int | None = None) -> AsyncIterator[Event]:
    left = limit
    parameters = {**chosen.given, "page_size": PAGE_SIZE if limit is None else min(limit, PAGE_SIZE)}
    async for page in client.pages(service, PATH, parameters):
        for one in page["items"]:
            if left == 0:
                return
            left = None if left is None else left - 1
            yield one
        if left == 0:
            return


async def _watch_each(client: Client, service: str, ids: Sequence[int]) -> None:
    async def states() -> Mapping[str, int]:
        found = [(await client.get(service, f"{PATH}/{one}"))["state"] for one in ids]
        return {state: found.count(state) for state in set(found)}

    counted: Mapping[str, int] = {}
    with _bar() as bar:
        task = bar.add_task("resolved", total=len(ids))
        changed = time.monotonic()
        while time.monotonic() - changed < QUIET_SECONDS:
            now = await states()
            if now != counted:
                counted, changed = now, time.monotonic()
            bar.update(task, completed=len(ids) - now.get("open", 0))
            if not now.get("open"):
                break
            await asyncio.sleep(LOOK_SECONDS)
    _tell(sum(counted.values()) - counted.get("open", 0), counted.get("open", 0), service, {})


async def _watch_chosen(client: Client, service: str, chosen: Filters, answer: Event) -> None:
    total, last = int(answer["events"]), datetime.fromisoformat(answer["last_at"])
    left, changed = total, time.monotonic()
    with _bar() as bar:
        task = bar.add_task("resolved", total=total)
        while left and (time.monotonic() - changed < QUIET_SECONDS or datetime.now(UTC) < last):
            await asyncio.sleep(LOOK_SECONDS)
            now = (await client.post(service, f"{PATH}/retry", {**chosen.given, "dry_run": True}))["events"]
            if now != left:
                left, changed = now, time.monotonic()
            bar.update(task, completed=max(0, total - left))
    _tell(max(0, total - left), left, service, chosen.given)


def _tell(done: int, left: int, service: str, given: Mapping[str, Any]) -> None:
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in given.items())
    more = f"; {left} still open: baton parked list {service} {options}".rstrip() if left else ""
    print(f"{done} resolved{more}")


def _row(one: Event) -> tuple[str, ...]:
    place = f"{one['topic']}/{one['part']}@{one['offset']}"
    error = one["error_code"] or "(waits behind)"
    if one["error_text"]:
        error = f"{error} {one['error_text']}"
    if one["state"] == "open":
        following = _instant(one["next_attempt_at"]) if one["next_attempt_at"] else "waits for a person"
    else:
        following = f"{one['state']} {_instant(one['resolved_at'])}"
    attempts = "–" if one["attempts"] is None else str(one["attempts"])
    size = f"{one['size'] if one['size'] is not None else '–'}{' (edited)' if one['edited'] else ''}"
    return one["of"], str(one["id"]), place, one["key"] or "(unreadable)", error, _instant(one["parked_at"]), attempts, following, size


def _instant(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _part(part: Any) -> str:
    return f"base64 {part['b64']}" if isinstance(part, dict) else "(none)" if part is None else str(part)


def _cell(text: str) -> Any:
    from rich.text import Text

    return Text("".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text))


def _bar() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=_console())


def _console() -> Console:
    return Console(highlight=False)
