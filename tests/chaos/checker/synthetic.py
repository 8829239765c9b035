"""A small run that holds in every respect, made of the published examples, so that tests can break it in one place."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.chaos.checker.convergence import FOLDS, published
from tests.chaos.checker.evidence import CONSUMERS, PRODUCERS, SERVICES, Declared, Fault, Final, Record, Sample
from tests.chaos.checker.history import Entry, Item
from tests.chaos.checker.verdict import Run

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "events"
MARKER = "zq0leak"
LEAD, OTHER = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
OPPORTUNITY, DEAL, ORDER = (f"00000000-0000-4000-8000-0000000000{number}" for number in (11, 12, 13))
SHIPMENT, DELIVERY, LINE = (f"00000000-0000-4000-8000-0000000000{number}" for number in (21, 22, 23))
DECISION, ROUTING, SECOND_ROUTING = (f"00000000-0000-4000-8000-0000000000{number}" for number in (31, 32, 33))
AT = "2026-03-02T09:30:00+00:00"

KEYS: Mapping[str, tuple[str, ...]] = {
    "handoff.leads": ("lead_id",),
    "handoff.journey_facts": ("lead_id", "event_id"),
    "handoff.decisions": ("decision_id",),
    "handoff.routings": ("routing_id",),
    "sales.leads": ("lead_id",),
    "sales.decisions": ("decision_id",),
    "sales.offers": ("lead_id",),
    "sales.order_facts": ("event_id",),
    "sales.answers": ("routing_id",),
    "sales.deals": ("deal_id",),
    "sales.opportunities": ("opportunity_id",),
    "distribution.deals": ("deal_id",),
    "distribution.orders": ("deal_id",),
    "distribution.shipments": ("shipment_id",),
    "distribution.deliveries": ("delivery_id",),
    "marketing.leads": ("lead_id",),
    "marketing.stage_entries": ("cause_event_id", "lead_id", "stage"),
    "marketing.deal_outcomes": ("deal_id", "deal_version", "lead_id"),
    "marketing.deliveries": ("delivery_id",),
    "marketing.lifecycles": ("lead_id",),
}


@dataclass(kw_only=True)
class Small:
    """The run as lists, to be changed at will before it is judged."""

    entries: list[Entry] = field(default_factory=list)
    log: list[Record] = field(default_factory=list)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    settled: float | None = 2.0

    def final(self) -> Final:
        """The final read that it amounts to."""
        log = sorted(self.log, key=lambda record: record.place)
        return Final(tables=self.tables, log=log, settled=self.settled, parsed=len(log))

    def run(self) -> Run:
        """All of it, as the verdict takes it."""
        return Run(
            entries=self.entries,
            final=self.final(),
            faults=self.faults,
            samples=self.samples,
            load=(0.0, 100.0),
            idle=((0.0, 10.0), (90.0, 100.0)),
            secrets=[MARKER],
            min_ok=1,
        )

    def write(self, key: str, items: tuple[Item, ...], *outcomes: str, **told: Any) -> None:
        """A write with one attempt per outcome."""
        op = len({entry.op for entry in self.entries})
        proc = told.pop("proc", 0)
        common = {"op": op, "proc": proc, "f": "write", "service": "sales", "route": "POST /v1/x", "key": key, "idem": key} | told
        for outcome in outcomes:
            self._note(type="invoke", val=items, **common)
            status = {"ok": 201, "fail": 409, "info": 0}[outcome]
            if outcome == "ok":
                self._note(type="ok", status=status, sha="a", replayed=outcomes.index("ok") < len(self._ends(op)), **common)
            else:
                self._note(type=outcome, status=status, **common)

    def _ends(self, op: int) -> list[Entry]:
        return [entry for entry in self.entries if entry.op == op and entry.type == "ok"]

    def _note(self, **told: Any) -> None:
        number = len(self.entries)
        self.entries.append(Entry(**{"i": number, "t_mono": float(number), **told}))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of a table, to be changed."""
        return self.tables[table]


def small() -> Small:
    """Two leads: one goes all the way to its delivery, the other is disqualified and refused."""
    world = Small()
    numbers: dict[tuple[str, str], itertools.count[int]] = {}
    ids = {topic: f"00000000-0000-7000-8000-{place:012}" for place, topic in enumerate((*PRODUCERS, "second"), 100)}
    for topic, subject, key, cause in _STORY:
        name = "second" if (topic, key) == ("lead-generated", OTHER) else topic
        sequence = next(numbers.setdefault((PRODUCERS[topic], subject), itertools.count(1)))
        _publish(world, topic, ids[name], subject=subject, key=key, sequence=sequence, cause=ids.get(cause, cause))
    _fill(world)
    _tell(world)
    for service in SERVICES:
        figures = {"baton_outbox_oldest_unpublished_seconds": 0.0, "process_open_fds": 20.0, "process_resident_memory_bytes": 1e8}
        for at in range(100):
            world.samples.append(Sample(at=float(at), service=service, address=service, spare=False, ready=True, figures=figures))
    return world


def copy_of(world: Small) -> Small:
    """Another one like it."""
    return copy.deepcopy(world)


_STORY = (
    ("lead-generated", LEAD, LEAD, "key-lead"),
    ("lead-generated", OTHER, OTHER, "key-other"),
    ("lead-qualified", LEAD, LEAD, "lead-generated"),
    ("lead-routed", LEAD, LEAD, "lead-generated"),
    ("lead-disqualified", OTHER, OTHER, "second"),
    ("lead-accepted", LEAD, LEAD, "key-accept"),
    ("lead-rejected", OTHER, OTHER, "key-reject"),
    ("opportunity-stage-changed", OPPORTUNITY, LEAD, "key-open"),
    ("deal-closed", DEAL, LEAD, "key-close"),
    ("order-promised", ORDER, LEAD, "deal-closed"),
    ("order-shipped", ORDER, LEAD, "key-ship"),
    ("order-delivered", ORDER, LEAD, "key-deliver"),
    ("order-cancelled", ORDER, LEAD, "key-cancel"),
)


def _data(topic: str, lead_id: str) -> dict[str, Any]:
    data = json.loads((EXAMPLES / topic / "1.0" / "example.json").read_bytes())
    data["lead_id"] = lead_id
    ids = {"deal_id": DEAL, "order_id": ORDER, "shipment_id": SHIPMENT, "delivery_id": DELIVERY, "opportunity_id": OPPORTUNITY}
    ids |= {"decision_id": DECISION, "routing_id": SECOND_ROUTING if topic == "lead-rejected" else ROUTING}
    data |= {name: value for name, value in ids.items() if name in data}
    if "lead_ids" in data:
        data["lead_ids"] = [lead_id]
    if topic == "lead-qualified":
        data["decision"]["decision_id"] = DECISION
    if topic == "lead-disqualified":
        data["decision_id"] = OTHER
    for line in data.get("lines", ()):
        if "order_line_id" in line:
            line["order_line_id"] = LINE
    return data


def _publish(world: Small, topic: str, event_id: str, *, subject: str, key: str, sequence: int, cause: str) -> None:
    data = _data(topic, key)
    headers = {
        "ce_id": event_id,
        "ce_source": f"/services/{PRODUCERS[topic]}",
        "ce_subject": subject,
        "ce_type": topic,
        "ce_time": AT,
        "ce_recordedtime": AT,
        "ce_causationid": cause,
        "ce_aggregatesequence": str(sequence),
    }
    payload = json.dumps(data).encode()
    told = tuple((name, value.encode()) for name, value in headers.items())
    offset = sum(record.topic == topic for record in world.log)
    world.log.append(Record(topic=topic, part=0, offset=offset, time=0, key=key.encode(), headers=told, value=payload))
    row = {"event_id": event_id, "topic": topic, "key": key, "headers": [list(pair) for pair in headers.items()], "payload": payload}
    world.tables.setdefault(f"{PRODUCERS[topic]}.outbox", []).append(row)
    for reader in CONSUMERS[topic]:
        world.tables.setdefault(f"{reader}.inbox", []).append({"event_id": event_id})


def _fill(world: Small) -> None:
    lines = [{"order_id": ORDER, "order_line_id": LINE, "line_no": 1, "quantity": Decimal(110)}]
    moved = {"shipped_quantity": Decimal(100), "delivered_quantity": Decimal(100), "cancelled_quantity": Decimal(10)}
    deal = _data("deal-closed", LEAD)["lines"][0]
    more = {name: value["amount"] if isinstance(value, dict) else value for name, value in deal.items()}
    world.tables["distribution.order_lines"] = [{**more, **lines[0], **moved}]
    world.tables["marketing.leads"] = [{"lead_id": lead_id} for lead_id in (LEAD, OTHER)]
    world.tables["distribution.orders"] = []
    for service in SERVICES:
        final = world.final()
        for model in FOLDS[service](published(final, Declared(), service), final):
            if model.table == "distribution.order_lines":
                continue
            rows = world.tables.setdefault(model.table, [])
            for key, expected in model.expected.items():
                _put(rows, model.table, key, dict(expected))
    world.tables["distribution.orders"][0] |= {"order_id": ORDER, "call_off": False}
    for row in world.tables["handoff.decisions"]:
        row["supersedes_decision_id"] = None
    for number, row in enumerate(world.tables["sales.answers"]):
        row["answer_id"] = f"answer-{number}"
    for service in SERVICES:
        world.tables[f"{service}.parked_event"] = []
    for rows in world.tables.values():
        for row in rows:
            row["_xmin"] = 1000


def _put(rows: list[dict[str, Any]], table: str, key: tuple[str, ...], row: dict[str, Any]) -> None:
    named = dict(zip(KEYS[table], key, strict=False))
    if table == "handoff.journey_facts" and len(key) == 3:
        named = {"lead_id": key[0], "event_id": f"own-{key[2]}"}
    known = next((each for each in rows if all(each.get(name) == value for name, value in named.items())), None)
    if known is None:
        rows.append({**row, **named})
    else:
        known |= row


def _tell(world: Small) -> None:
    def item(table: str, column: str, value: str, *tells: tuple[str, str]) -> tuple[Item, ...]:
        return (Item(claims=((table, column, value),), tells=tells),)

    world.write("key-lead", item("marketing.leads", "lead_id", LEAD, ("lead-generated", LEAD)), "ok", service="marketing")
    world.write("key-other", item("marketing.leads", "lead_id", OTHER, ("lead-generated", OTHER)), "info", "ok", service="marketing")
    world.write("key-accept", item("sales.answers", "lead_id", LEAD, ("lead-accepted", LEAD)), "ok", etag_in=1)
    world.write("key-reject", item("sales.answers", "lead_id", OTHER, ("lead-rejected", OTHER)), "info")
    told = ("opportunity-stage-changed", OPPORTUNITY)
    world.write("key-open", item("sales.opportunities", "opportunity_id", OPPORTUNITY, told), "ok")
    world.write("key-close", item("sales.deals", "deal_id", DEAL, ("deal-closed", DEAL)), "ok")
    world.write("key-ship", item("distribution.shipments", "shipment_id", SHIPMENT, ("order-shipped", ORDER)), "ok")
    world.write("key-deliver", item("distribution.deliveries", "delivery_id", DELIVERY, ("order-delivered", ORDER)), "ok")
    world.write("key-cancel", (Item(tells=(("order-cancelled", ORDER),)),), "ok")
    world.write("key-refused", item("marketing.leads", "lead_id", "nobody", ("lead-generated", "nobody")), "fail")
    read = {"op": 999, "proc": 0, "f": "read", "service": "sales", "route": "GET", "key": "key-accept"}
    for entry in [entry for entry in world.entries if entry.idem == "key-accept" and entry.type == "ok"]:
        world.entries[entry.i] = Entry(**{**{name: getattr(entry, name) for name in Entry.__slots__}, "etag_out": 2})
    number = len(world.entries)
    world.entries.append(Entry(**{"i": number, "type": "invoke", "t_mono": float(number), **read}))
    world.entries.append(Entry(**{"i": number + 1, "type": "ok", "status": 200, "etag_out": 2, "t_mono": number + 1.0, **read}))
