"""Where marketing must see each lead, worked out from the log alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.chaos.checker.evidence import Event, Final
from tests.chaos.checker.folds import Key, Model, Published, columns
from tests.chaos.checker.judging import text

_LADDER = ("subscriber", "lead", "mql", "sal", "sql", "opportunity", "customer")
_RETURNS = ("recycled", "disqualified")
_DISPOSED = {"recycle": "recycled", "disqualify": "disqualified"}

Entry = tuple[str, datetime]
"""Stage and when it was entered."""


def fold_marketing(told: Published, final: Final) -> Iterable[Model]:
    """What marketing takes from the others, and what it must have told of its own leads."""
    generated = {}
    for event in told["lead-generated"]:
        data = event.data
        same = {name: data["lead"][name] for name in ("subject_id", "need_codes", "country", "origin", "expected_value", "journey_stage")}
        generated[data["lead_id"],] = same | {"source": data["source_code"], "captured_at": data["captured_at"]}
    yield Model(table="marketing.leads", key=columns("lead_id"), expected=generated)
    entries = {key: row for event in _stage_events(told) for key, row in _entries(event)}
    yield Model(table="marketing.stage_entries", key=columns("cause_event_id", "lead_id", "stage"), expected=entries)
    outcomes: dict[Key, Mapping[str, Any]] = {}
    for event in told["deal-closed"]:
        data = event.data
        for lead_id in dict.fromkeys((data["lead_id"], *data["lead_ids"])):
            outcome = {"outcome": "won" if data["won"] else "lost", "closed_at": data["closed_at"], "cause_event_id": event.id}
            outcomes[data["deal_id"], str(data["deal_version"]), lead_id] = outcome | {"primary": lead_id == data["lead_id"]}
    yield Model(table="marketing.deal_outcomes", key=columns("deal_id", "deal_version", "lead_id"), expected=outcomes)
    arrived = {}
    for event in told["order-delivered"]:
        data = event.data
        same = {name: data[name] for name in ("order_id", "deal_id", "lead_id", "delivered_at")}
        arrived[data["delivery_id"],] = same | {"complete": data["order_complete"], "cause_event_id": event.id}
    yield Model(table="marketing.deliveries", key=columns("delivery_id"), expected=arrived)
    yield Model(table="marketing.lifecycles", key=columns("lead_id"), expected=_located(entries, outcomes, final), may_lack=True)


def locate(entries: Sequence[Entry], won: Sequence[datetime]) -> tuple[str, datetime | None]:
    """The stage of a lead and since when: customer by a standing won deal, else the highest stage since it last came back."""
    if won:
        return "customer", min(won)
    back = max((entry for entry in entries if entry[0] in _RETURNS), key=lambda entry: (entry[1], entry[0] == "disqualified"), default=None)
    since = [entry for entry in entries if entry[0] in _LADDER and (back is None or entry[1] > back[1])]
    if not since:
        return back or ("lead", None)
    top = max((stage for stage, _ in since), key=_LADDER.index)
    return top, min(at for stage, at in since if stage == top)


def _located(entries: Mapping[Key, Mapping[str, Any]], outcomes: Mapping[Key, Mapping[str, Any]], final: Final) -> dict[Key, Any]:
    by_lead: defaultdict[str, list[Entry]] = defaultdict(list)
    for (_, lead_id, stage), row in entries.items():
        by_lead[lead_id].append((stage, datetime.fromisoformat(row["entered_at"])))
    standing: dict[str, int] = {}
    for deal_id, version, _ in outcomes:
        standing[deal_id] = max(int(version), standing.get(deal_id, 0))
    won: defaultdict[str, list[datetime]] = defaultdict(list)
    for (deal_id, version, lead_id), row in outcomes.items():
        if int(version) == standing[deal_id] and row["outcome"] == "won":
            won[lead_id].append(datetime.fromisoformat(row["closed_at"]))
    expected: dict[Key, Any] = {}
    for row in final.rows("marketing.leads"):
        lead_id = text(row["lead_id"])
        stage, entered_at = locate(by_lead[lead_id], won[lead_id])
        expected[lead_id,] = {"stage": stage, "entered_at": entered_at}
    return expected


def _stage_events(told: Published) -> Iterable[Event]:
    for topic in ("lead-qualified", "lead-disqualified", "lead-accepted", "lead-rejected", "opportunity-stage-changed"):
        yield from told[topic]


def _entries(event: Event) -> Iterable[tuple[Key, Mapping[str, Any]]]:
    data = event.data
    for lead_id, stage, entered_at, evidence, reasons in _ENTERED[event.topic](event, data):
        yield (event.id, lead_id, stage), {"entered_at": entered_at, "evidence_ref": evidence, "reason_codes": reasons}


Entered = Iterable[tuple[str, str, str, str, list[str]]]


def _qualified(event: Event, data: Mapping[str, Any]) -> Entered:
    decision = data["decision"]
    if decision["outcome"] == "qualified":
        yield data["lead_id"], "mql", decision["decided_at"], f"decision/{decision['decision_id']}", []


def _disqualified(event: Event, data: Mapping[str, Any]) -> Entered:
    yield data["lead_id"], "disqualified", data["decided_at"], f"decision/{data['decision_id']}", data["reason_codes"]


def _accepted(event: Event, data: Mapping[str, Any]) -> Entered:
    yield data["lead_id"], "sal", data["accepted_at"], f"routing/{data['routing_id']}", []


def _rejected(event: Event, data: Mapping[str, Any]) -> Entered:
    stage = _DISPOSED.get(data["suggested_disposition"])
    if stage:
        yield data["lead_id"], stage, data["rejected_at"], f"routing/{data['routing_id']}", [data["reason_code"]]


def _moved(event: Event, data: Mapping[str, Any]) -> Entered:
    if data["current"]["stage_type"] == "lost" and data["previous"] is not None:
        return
    stages = ["opportunity"]
    if data["amount"] is not None and data["expected_close_date"] is not None:
        stages.append("sql")
    for lead_id in dict.fromkeys((data["lead_id"], *data["lead_ids"])):
        for stage in stages:
            yield lead_id, stage, event.occurred_at, f"opportunity/{data['opportunity_id']}", []


_ENTERED = {
    "lead-qualified": _qualified,
    "lead-disqualified": _disqualified,
    "lead-accepted": _accepted,
    "lead-rejected": _rejected,
    "opportunity-stage-changed": _moved,
}
