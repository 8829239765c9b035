"""What the databases must hold if everything that was published has been applied once, worked out from the log alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.chaos.checker.evidence import Event, Final, Row
from tests.chaos.checker.judging import text

Key = tuple[str, ...]
Published = Mapping[str, Sequence[Event]]
"""First occurrences by topic, without those that this reader was excused from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What a table must hold: by key, some columns. `key` finds the key of a row; `judges` says which rows are judged at all."""

    table: str
    key: Callable[[Row], Key]
    expected: Mapping[Key, Mapping[str, Any]]
    judges: Callable[[Row], bool] = field(default=lambda _: True)
    may_lack: bool = False


def columns(*names: str) -> Callable[[Row], Key]:
    """A key of these columns."""
    return lambda row: tuple(text(row[name]) for name in names)


def fold_handoff(told: Published, final: Final) -> Iterable[Model]:
    """What handoff takes from marketing, and its ledger of everybody's events."""
    leads = {}
    for event in told["lead-generated"]:
        data = event.data
        expected = {name: data[name] for name in _LEAD_COLUMNS}
        leads[data["lead_id"],] = expected | {"event_id": event.id, "occurred_at": event.occurred_at}
    yield Model(table="handoff.leads", key=columns("lead_id"), expected=leads)
    own = {"lead-qualified", "lead-disqualified", "lead-routed"}
    others: dict[Key, Mapping[str, Any]] = {}
    owned: dict[Key, Mapping[str, Any]] = {}
    for topic in _JOURNEY:
        for event in told[topic]:
            data = event.data
            stage, details = _JOURNEY[topic](data)
            row = {"event": topic, "subject": event.subject, "stage": stage, "details": details, "occurred_at": event.occurred_at}
            for lead_id in {data["lead_id"], *data.get("lead_ids", ())}:
                if topic in own:
                    owned[lead_id, topic, _decided(topic, data)] = row
                else:
                    deal_id = data.get("deal_id") or data.get("opportunity_id")
                    more = {"sequence": event.sequence, "recorded_at": event.recorded_at, "deal_id": deal_id}
                    others[lead_id, event.id] = row | more | {"source": event.source.rpartition("/")[2]}
    facts = "handoff.journey_facts"
    yield Model(table=facts, key=columns("lead_id", "event_id"), expected=others, judges=lambda row: row["event"] not in own)
    yield Model(
        table=facts,
        key=lambda row: (text(row["lead_id"]), row["event"], str(row["details"].get("routing_id") or row["details"].get("decision_id"))),
        expected=owned,
        judges=lambda row: row["event"] in own,
    )
    decided = {
        (_decided(topic, data),): {"lead_id": data["lead_id"], "outcome": topic.removeprefix("lead-")}
        for topic in ("lead-qualified", "lead-disqualified")
        for data in (event.data for event in told[topic])
    }
    told_outcomes = {"qualified", "disqualified"}
    yield Model(table="handoff.decisions", key=columns("decision_id"), expected=decided, judges=lambda row: row["outcome"] in told_outcomes)
    routed = {
        (data["routing_id"],): {name: data[name] for name in ("lead_id", "decision_id", "route_path", "queue_code", "attempt", "cause")}
        for data in (event.data for event in told["lead-routed"])
    }
    yield Model(table="handoff.routings", key=columns("routing_id"), expected=routed)


def fold_sales(told: Published, final: Final) -> Iterable[Model]:
    """What sales takes from marketing, handoff and distribution, and what it must have told itself."""
    leads = {}
    for event in told["lead-generated"]:
        data = event.data
        expected = {name: data["lead"][name] for name in _SALES_LEAD}
        more = {name: data[name] for name in ("source_code", "captured_at", "first_response_at")}
        leads[data["lead_id"],] = expected | more
    yield Model(table="sales.leads", key=columns("lead_id"), expected=leads)
    decisions: dict[Key, Mapping[str, Any]] = {}
    for event in told["lead-qualified"]:
        decision = event.data["decision"]
        known = {name: decision[name] for name in ("outcome", "decided_at", "grade", "customer_type", "route_path")}
        decisions[decision["decision_id"],] = {"lead_id": event.subject, "reason_codes": []} | known
    for event in told["lead-disqualified"]:
        data = event.data
        known = {"outcome": "disqualified", "grade": None, "route_path": None}
        decisions[data["decision_id"],] = {name: data[name] for name in ("lead_id", "decided_at", "reason_codes")} | known
    yield Model(table="sales.decisions", key=columns("decision_id"), expected=decisions)
    yield Model(table="sales.offers", key=columns("lead_id"), expected=_offers(told))
    facts = {
        (event.id,): _order_fact(event, kind)
        for kind in ("promised", "shipped", "delivered", "cancelled")
        for event in told[f"order-{kind}"]
    }
    yield Model(table="sales.order_facts", key=columns("event_id"), expected=facts)
    answers = {
        (data["routing_id"],): {"lead_id": data["lead_id"], "answer": answer, "answered_by_id": data[f"{answer}_by_id"]}
        for answer in ("accepted", "rejected")
        for data in (event.data for event in told[f"lead-{answer}"])
    }
    yield Model(table="sales.answers", key=columns("routing_id"), expected=answers)
    deals = {}
    for event in sorted(told["deal-closed"], key=lambda event: event.sequence):
        data = event.data
        same = {name: data[name] for name in ("deal_version", "lead_id", "opportunity_id", "closed_at", "lines", "net_total")}
        deals[data["deal_id"],] = same | {"outcome": "won" if data["won"] else "lost"}
    yield Model(table="sales.deals", key=columns("deal_id"), expected=deals)
    opportunities = {}
    for event in sorted(told["opportunity-stage-changed"], key=lambda event: event.sequence):
        data = event.data
        now = {name: data[name] for name in ("lead_id", "amount", "expected_close_date", "owner_id")}
        opportunities[data["opportunity_id"],] = now | {"stage": data["current"], "stage_type": data["current"]["stage_type"]}
    yield Model(table="sales.opportunities", key=columns("opportunity_id"), expected=opportunities)


def fold_distribution(told: Published, final: Final) -> Iterable[Model]:
    """What distribution takes from sales, and what it must have told of its orders."""
    deals: dict[Key, Mapping[str, Any]] = {}
    orders: dict[Key, Mapping[str, Any]] = {}
    lines: dict[Key, Mapping[str, Any]] = {}
    for event in sorted(told["deal-closed"], key=lambda event: event.data["deal_version"]):
        data = event.data
        won, deal_id = data["won"], data["deal_id"]
        asks = won is not None and not won["blanket_order"] and bool(data["lines"])
        closed = {"lead_id": data["lead_id"], "deal_version": data["deal_version"], "closed_at": data["closed_at"]}
        deals[deal_id,] = closed | {"outcome": "won" if won else "lost", "blanket_order": won is not None and not asks}
        if asks:
            value = sum((Decimal(line["net_amount"]["amount"]) for line in data["lines"]), Decimal(0))
            known = {name: closed[name] for name in ("lead_id", "deal_version")}
            orders[deal_id,] = known | {"standing": True, "order_value": value, "received_at": data["closed_at"]}
            for line in data["lines"]:
                amounts = {"net_amount": line["net_amount"]["amount"], "net_unit_price": line["net_unit_price"]["amount"]}
                lines[deal_id, str(line["line_no"])] = {name: line[name] for name in _ORDER_LINE} | amounts
    yield Model(table="distribution.deals", key=columns("deal_id"), expected=deals)
    own = {row["order_id"]: text(row["deal_id"]) for row in final.rows("distribution.orders") if not row["call_off"]}
    yield Model(table="distribution.orders", key=columns("deal_id"), expected=orders, judges=lambda row: row["order_id"] in own)
    yield Model(
        table="distribution.order_lines",
        key=lambda row: (own[row["order_id"]], str(row["line_no"])),
        expected=lines,
        judges=lambda row: row["order_id"] in own,
    )
    yield from _moved(told, final)


def _moved(told: Published, final: Final) -> Iterable[Model]:
    for kind, name in (("shipped", "shipment"), ("delivered", "delivery")):
        facts = {
            (data[f"{name}_id"],): {"order_id": data["order_id"], "occurred_at": data[f"{kind}_at"]}
            for data in (event.data for event in told[f"order-{kind}"])
        }
        table = "distribution.shipments" if name == "shipment" else "distribution.deliveries"
        yield Model(table=table, key=columns(f"{name}_id"), expected=facts)
    sums: dict[str, defaultdict[str, Decimal]] = {}
    for kind, quantity in (("shipped", "quantity"), ("delivered", "quantity"), ("cancelled", "cancelled_quantity")):
        sums[kind] = defaultdict(Decimal)
        for event in told[f"order-{kind}"]:
            data = event.data
            if data.get("cause") == "deal_reopened":
                continue
            for line in data["lines"]:
                sums[kind][line["order_line_id"]] += Decimal(line[quantity])
    expected = {
        (text(row["order_line_id"]),): {
            f"{kind}_quantity": min(of_kind[text(row["order_line_id"])], row["quantity"]) for kind, of_kind in sums.items()
        }
        for row in final.rows("distribution.order_lines")
    }
    yield Model(table="distribution.order_lines", key=columns("order_line_id"), expected=expected)


def _offers(told: Published) -> dict[Key, Mapping[str, Any]]:
    offers: dict[Key, dict[str, Any]] = {}
    for event in sorted(told["lead-routed"], key=lambda event: (event.data["attempt"], event.data["routing_id"])):
        data = event.data
        known = {name: data[name] for name in _OFFER}
        offers[data["lead_id"],] = known | {"routed_at": event.occurred_at, "status": "open", "answered_at": None, "answered_by_id": None}
    for answer in ("accepted", "rejected"):
        for event in told[f"lead-{answer}"]:
            data = event.data
            offer = offers.get((data["lead_id"],))
            if offer is not None and offer["routing_id"] == data["routing_id"]:
                offer |= {"status": answer, "answered_at": data[f"{answer}_at"], "answered_by_id": data[f"{answer}_by_id"]}
    return dict(offers)


def _order_fact(event: Event, kind: str) -> Mapping[str, Any]:
    data = event.data
    whole = {"delivered": data.get("order_complete"), "cancelled": data.get("whole_order")}.get(kind) or False
    lines = [
        {
            "order_line_id": line["order_line_id"],
            "quantity": line["cancelled_quantity" if kind == "cancelled" else "quantity"],
            "line_no": line.get("deal_line_no"),
            "product_id": line.get("product_id"),
            "promise_date": line.get("promise_date"),
        }
        for line in data["lines"]
    ]
    known = {"kind": kind, "whole": whole, "lines": lines, "promise_date": data.get("promise_date")}
    place = {"order_id": data["order_id"], "deal_id": data["deal_id"], "sequence": event.sequence, "occurred_at": event.occurred_at}
    return known | place


def _decided(topic: str, data: Mapping[str, Any]) -> str:
    if topic == "lead-routed":
        return data["routing_id"]
    return data["decision"]["decision_id"] if topic == "lead-qualified" else data["decision_id"]


_LEAD_COLUMNS = (
    "lead", "source_code", "captured_at", "first_response_at", "customer_initiated", "interaction_mode", "audience", "touch_intent",
    "verification", "facts", "consents", "possible_duplicate_of",
)  # fmt: skip
_SALES_LEAD = ("subject_id", "organisation_id", "campaign_id", "channel_id", "segment_versions", "need_codes")
_OFFER = ("decision_id", "routing_id", "attempt", "route_path", "queue_code", "assignee_role", "acceptance_due_at", "response_due_at")
_ORDER_LINE = (
    "product_id", "sku", "fulfilment_type", "quantity", "unit", "outlet_id", "ship_to_time_zone", "requested_date", "confirmed_date",
)  # fmt: skip


def _told(stage: str | None, data: Mapping[str, Any], *names: str) -> tuple[str | None, dict[str, Any]]:
    return stage, {name: data[name] for name in names}


def _of_close(data: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    won = data["won"]
    details = {"outcome": "won" if won else "lost", "deal_version": data["deal_version"]}
    return ("won" if won else None), details | {"blanket_order": won["blanket_order"] if won else None}


def _of_lead(data: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    stage, details = _told("captured", data, "source_code", "first_response_at", "customer_initiated")
    return stage, details | {"origin": data["lead"]["origin"]}


_JOURNEY: Mapping[str, Callable[[Mapping[str, Any]], tuple[str | None, dict[str, Any]]]] = {
    "lead-generated": _of_lead,
    "lead-qualified": lambda data: _told("qualified", data["decision"], "decision_id", "grade"),
    "lead-disqualified": lambda data: (
        None,
        {"decision_id": data["decision_id"], "reason_code": next(iter(data["reason_codes"]), None)},
    ),
    "lead-routed": lambda data: _told("routed", data, "routing_id", "queue_code", "attempt"),
    "lead-accepted": lambda data: _told("accepted", data, "acceptance_mode"),
    "lead-rejected": lambda data: _told(None, data, "phase", "reason_code", "suggested_disposition"),
    "opportunity-stage-changed": lambda data: _told("opportunity", data["current"], "stage_code", "stage_type"),
    "deal-closed": _of_close,
    "order-promised": lambda data: _told("promised" if data["promise_date"] else None, data, "cause", "promise_date"),
    "order-shipped": lambda data: _told("shipped", data, "shipment_id", "final_shipment"),
    "order-delivered": lambda data: _told(
        "delivered" if data["order_complete"] else None, data, "delivery_id", "order_complete", "order_on_time"
    ),
    "order-cancelled": lambda data: _told(None, data, "cause", "whole_order"),
}
