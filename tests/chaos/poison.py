"""F24: records that are no events, twelve kinds byte by byte; and what an operator does about them."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from baton import ISSUER
from baton.ops import tokens
from shared.ids import new_id
from tests.chaos import records
from tests.chaos.checker.evidence import CONSUMERS
from tests.chaos.kills import KILLED
from tests.chaos.records import Raw
from tests.chaos.site import SiteFailed, wait_until
from tests.chaos.stage import Entry, Stage

MOVES_ON_SECONDS: Final = 5.0
FOLLOWER_SECONDS: Final = 20.0
MAX_HELD_KEYS: Final = 50
MOST_TRIES: Final = 4
KEYS_AT_ONCE: Final = 3
DRAIN: Final = "drain."

BUSY_TOPICS: Final = ("order-promised", "order-shipped", "lead-qualified", "opportunity-stage-changed", "deal-closed", "lead-generated")
"""Topics whose keys have more to come: what follows a bad record is seen to wait behind it."""


def _changed(
    template: Raw, *, value: bytes | Callable[[bytes], bytes] | None = lambda same: same, key: bytes | None = None, **headers: bytes
) -> Raw:
    """The template under an id of its own, as another record."""
    named = {**dict(template.headers), "ce_id": str(new_id()).encode(), **headers}
    content = value(template.value or b"") if callable(value) else value
    return replace(template, headers=list(named.items()), value=content, key=key or template.key, offset=-1)


def _with(template: Raw, field: str, content: Any) -> bytes:
    return json.dumps({**json.loads(template.value or b"{}"), field: content}).encode()


def _first_field(template: Raw) -> str:
    return next(iter(json.loads(template.value or b"{}")))


KINDS: Final[Mapping[str, Callable[[Raw], Raw]]] = {
    "bad-json": lambda one: _changed(one, value=(one.value or b"")[:-7]),
    "not-utf8": lambda one: _changed(one, value=(one.value or b"").replace(b'"', b'"\xff\xfe', 1)),
    "null-value": lambda one: _changed(one, value=None),
    "one-mebibyte": lambda one: _changed(one, value=b'"' + b"x" * 1_000_000 + b'"'),
    "deep-nesting": lambda one: _changed(one, value=b"[" * 50_000 + b"]" * 50_000),
    "nan": lambda one: _changed(one, value=_with(one, _first_field(one), float("nan"))),
    "unknown-type": lambda one: _changed(one, ce_type=b"lead-invented"),
    "unknown-version": lambda one: _changed(one, ce_dataschema=f"urn:baton:schema:{one.topic}:9.0".encode()),
    "missing-key": lambda one: replace(_changed(one), key=None),
    "foreign-key": lambda one: _changed(one, key=str(uuid4()).encode()),
    "hostile-headers": lambda one: replace(
        _changed(one), headers=[*_changed(one).headers, ("ce_\u00e9\u0000", b"\xff\xfe\x00"), ("ce_time", b"\xc3\x28"), ("empty", None)]
    ),
    "nul": lambda one: _changed(one, value=_with(one, _first_field(one), "\u0000")),
}


def poison(stage: Stage) -> None:
    """F24: all twelve kinds; each is kept, holds its key alone, and goes when an operator lets it go."""
    for member in stage.site.those(role="worker"):
        stage.wait_caught_up(member)  # what an earlier fault left behind is not this one's doing
    with stage.fault("F24", "every consumer") as entry:
        sent: list[tuple[str, Raw]] = []
        slowest = 0.0
        for kind, make in KINDS.items():
            template = _template(stage)
            (written,) = records.write(stage.site.kafka, [make(template)])
            slowest = max(slowest, _passed(stage, written))
            sent.append((kind, written))
        waiting = _followers(stage, FOLLOWER_SECONDS)
        if stage.thorough:
            _stand(stage, entry, sent)
        entry.evidence |= {"kinds": len({kind for kind, _ in sent}), "moved_on_after_seconds": round(slowest, 2), "waited_behind": waiting}
        entry.expects["parked"] = [one.place(kind) for kind, one in sent]
        entry.expects["foreign"] = [one.place(kind) for kind, one in sent]
        entry.expects["discarded"] = [one.header("ce_id") for _, one in sent]
        entry.demand(f"partitions moved on within {MOVES_ON_SECONDS:.0f} s", slowest <= MOVES_ON_SECONDS)
        entry.demand("events wait behind a bad one", waiting > 0)
        entry.evidence["discarded"] = sum(discard_all(stage, service) for service in _services())
        for service in _services():
            wait_until(lambda one=service: not _open(stage, one), 60, f"{service}: parked events stay open")
        entry.healed()
        stage.site.wait_ready(stage.site.those(role="worker"))


def _stand(stage: Stage, entry: Entry, sent: list[tuple[str, Raw]]) -> None:
    """With too many keys held the group stands, and goes on by itself when fewer are."""
    worker = stage.site.member("sales", "worker")
    template = records.read(stage.site.kafka, ["lead-routed"], last=1)[0]
    many = [replace(KINDS["bad-json"](template), key=str(uuid4()).encode(), part=number % 12) for number in range(MAX_HELD_KEYS + 10)]
    sent += [("bad-json", one) for one in records.write(stage.site.kafka, many)]
    wait_until(lambda: not worker.is_ready() and "keys are held" in worker.ask("/readyz")[1], 60, "sales reads on with too many keys held")
    entry.evidence["stood"] = worker.ask("/readyz")[1].strip()
    discard_all(stage, "sales")
    stage.site.wait_ready([worker], 60)


def spoil(stage: Stage) -> list[Raw]:
    """Bad records for some of the keys that the load is busy with; what was written."""
    return records.write(stage.site.kafka, [KINDS["bad-json"](_template(stage)) for _ in range(KEYS_AT_ONCE)])


def drains_ended(stage: Stage, points: Sequence[str], sent: list[Raw]) -> list[str]:
    """A worker ends at each of these points of the drain, while it applies what waited behind bad records; what went wrong.

    `sent`: bad records that were written before and hold their keys.
    """
    against: list[str] = []
    for point in points:
        try:
            _drain_ended(stage, point, sent)
        except SiteFailed as error:
            against.append(f"{point}: {error}")
        sent = []  # the first has told of them
    for service in _services():
        discard_all(stage, service)
    return against


def _drain_ended(stage: Stage, point: str, sent: list[Raw]) -> None:
    with stage.fault(point, "a worker") as entry:
        for _ in range(MOST_TRIES):
            if _followers(stage, FOLLOWER_SECONDS / 2):
                break
            sent += spoil(stage)
        waiting = _waiting(stage)
        if not waiting:
            raise SiteFailed("nothing came to wait behind a bad record")
        service = max(waiting, key=lambda one: waiting[one])
        member = stage.site.member(service, "worker")
        entry.target = member.name
        entry.expects["parked"] = entry.expects["foreign"] = [one.place("bad-json") for one in sent]
        entry.expects["discarded"] = [one.header("ce_id") for one in sent]
        entry.evidence["exit"] = stage.end_at(member, point, meanwhile=lambda: discard_all(stage, service))
        entry.evidence["new_pid"] = stage.site.wait_new(member, 0)
        entry.demand("ended there", entry.evidence["exit"] == KILLED)
        entry.healed()
        stage.site.wait_ready([member])


def discard_all(stage: Stage, service: str) -> int:
    """An operator lets every bad event of a service go, and what waits behind them goes on; how many were discarded."""
    desk = Desk(stage, service)
    count = 0
    for row in stage.query(service, "SELECT id FROM parked_event WHERE state = 'open' AND error_code IS NOT NULL ORDER BY id"):
        desk.post(f"/ops/parked/{row['id']}/discard", {"reason": "it was sent to see what becomes of it"})
        count += 1
    return count


class Desk:
    """An operator at the internal port of a service."""

    def __init__(self, stage: Stage, service: str) -> None:
        self._port = stage.site.member(service, "api").internal_port
        self._token = tokens.issue(stage.site.kept.keys, issuer=ISSUER, roles=["ops"], sub="operator", aud=service, ttl_seconds=900)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a command. Raises SiteFailed for anything but a 2xx."""
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": str(uuid4()), "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=15)
        try:
            connection.request("POST", path, body=json.dumps(body), headers=headers)
            answer = connection.getresponse()
            told = answer.read()
        except OSError as error:
            raise SiteFailed(f"POST {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise SiteFailed(f"POST {path}: {answer.status} {told[:300]!r}")
        return json.loads(told)


def _template(stage: Stage) -> Raw:
    """One of the last good records of a busy topic, by chance."""
    for topic in stage.chance.sample(BUSY_TOPICS, len(BUSY_TOPICS)):
        last = [
            one for one in records.read(stage.site.kafka, [topic], last=3) if one.key and one.header("ce_type") == topic and _is_object(one)
        ]
        if last:
            return max(last, key=lambda one: one.header("ce_recordedtime"))
    raise SiteFailed("no topic has a record to be changed")


def _is_object(one: Raw) -> bool:
    try:
        return isinstance(json.loads(one.value or b""), dict)
    except (ValueError, RecursionError):
        return False


def _passed(stage: Stage, sent: Raw) -> float:
    """How long it takes until every reader of its topic has gone beyond a record."""
    began = time.monotonic()
    for service in CONSUMERS[sent.topic]:
        wait_until(
            lambda one=service: stage.positions(one).get((sent.topic, sent.part), 0) > sent.offset,
            60,
            f"{service} stands at {sent.topic}/{sent.part}/{sent.offset}",
        )
    return time.monotonic() - began


def _followers(stage: Stage, seconds: float) -> int:
    """Waits until some event waits behind a bad one of its key; how many do."""
    until = time.monotonic() + seconds
    while not (found := _waiting(stage)) and time.monotonic() < until:
        time.sleep(0.5)
    return sum(found.values())


def _waiting(stage: Stage) -> dict[str, int]:
    """How many events wait behind another of their key, by service; only services where some do."""
    statement = "SELECT count(*) AS waiting FROM parked_event WHERE state = 'open' AND error_code IS NULL"
    found = {service: stage.query(service, statement)[0]["waiting"] for service in _services()}
    return {service: count for service, count in found.items() if count}


def _open(stage: Stage, service: str) -> int:
    return stage.query(service, "SELECT count(*) AS left FROM parked_event WHERE state = 'open'")[0]["left"]


def _services() -> Sequence[str]:
    return sorted({service for readers in CONSUMERS.values() for service in readers})
