"""What a report asks of whom, and the answers put together as one object."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Literal
from uuid import UUID

from baton import client as api
from baton.report import fulfilment, funnel
from baton.report.fulfilment import Level
from baton.report.funnel import CohortLead, WonDeal
from shared.money import Money

ROLE = "reader"
PAGE = 1000
DAYS_TO_CLOSE = {"days_to_close": "report.days_to_close.1"}
JOINED = {"fulfilment": "report.fulfilment_by_deal.1", "days_won_to_first_order": "report.days_won_to_first_order.1"}
COHORT = "/v1/metrics/funnel/leads"
WON_DEALS = "/v1/metrics/won-deals"
LINES = "/v1/metrics/fulfilment/lines"
OWNERS = ("lead", "deal")

Kind = Literal["funnel", "pipeline", "fulfilment"]
Period = Literal["month", "quarter", "year"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: of which source, in which local days (inclusive), grouped by which label, as known at which aware instant.

    `by` of a fulfilment may be `lead.LABEL` or `deal.LABEL`; `through` is then the label that lines and deals have in common.
    """

    report: Kind = "funnel"
    source: str | None = None
    by: str | None = None
    per: Period | None = None
    level: Level = "order"
    through: str | None = None
    since: date | None = None
    until: date | None = None
    as_of: datetime | None = None

    @property
    def joins(self) -> tuple[str, str] | None:
        """Whose label groups, and which: ("lead", "origin"). None if it is one of the owner of the figures."""
        owner, dot, label = (self.by or "").partition(".")
        return (owner, label) if self.report == "fulfilment" and dot and owner in OWNERS else None

    @property
    def limits(self) -> dict[str, str | None]:
        """Source, days and instant, as every route takes them."""
        return {
            "source": self.source,
            "from": self.since.isoformat() if self.since else None,
            "to": self.until.isoformat() if self.until else None,
            "as_of": self.as_of.isoformat() if self.as_of else None,
        }


async def read(client: api.Client, question: Question) -> dict[str, Any]:
    """The report as one object, all of it as of the instant at which the first service answered. Raises what the client raises."""
    if question.joins is not None:
        return await _joined(client, question, *question.joins)
    readers: Mapping[Kind, Callable[[api.Client, Question], Awaitable[dict[str, Any]]]] = {
        "funnel": _funnel,
        "pipeline": _pipeline,
        "fulfilment": _fulfilment,
    }
    return await readers[question.report](client, question)


async def _pipeline(client: api.Client, question: Question) -> dict[str, Any]:
    asked = {"source": question.source, "by": question.by, "per": question.per} | question.limits
    return {"report": "pipeline", **asked, **await client.get("sales", "/v1/metrics/pipeline", asked)}


async def _fulfilment(client: api.Client, question: Question) -> dict[str, Any]:
    asked = {"source": question.source, "by": question.by, "per": question.per, "level": question.level} | question.limits
    return {"report": "fulfilment", **asked, **await client.get("distribution", "/v1/metrics/fulfilment", asked)}


async def _funnel(client: api.Client, question: Question) -> dict[str, Any]:
    asked = {"source": question.source, "by": question.by} | question.limits
    counted = await client.get("marketing", "/v1/metrics/funnel", asked)
    leads, cohort = await _cohort(client, asked | {"as_of": counted["as_of"]})
    won, deals = await _all(client, "sales", WON_DEALS, {"lead_source": question.source, "as_of": counted["as_of"]})
    days = funnel.days_by_group(
        leads,
        [
            WonDeal(lead_id=UUID(item["lead_id"]), closed_at=datetime.fromisoformat(item["closed_at"]), estimated=item["estimated"])
            for item in won
        ],
    )
    return {
        "report": "funnel",
        **{name: asked[name] for name in ("source", "by", "from", "to")},
        "as_of": {
            "marketing /v1/metrics/funnel": counted["as_of"],
            f"marketing {COHORT}": cohort["as_of"],
            f"sales {WON_DEALS}": deals["as_of"],
        },
        "metrics": {"marketing": counted["metrics"], "sales": deals["metrics"], "report": DAYS_TO_CLOSE},
        "time_zone": counted["time_zone"],
        "total": counted["total"],
        "groups": counted["groups"] if question.by else [],
        "days_to_close": asdict(funnel.summary([each for group in days.values() for each in group])),
        "days_to_close_by_group": _days_by_group(days, [group["value"] for group in counted["groups"]]) if question.by else [],
    }


async def _joined(client: api.Client, question: Question, owner: str, label: str) -> dict[str, Any]:
    # A cursor belongs to one instant, so the first page cannot be asked for before there is one.
    began = await client.get("distribution", LINES, {**question.limits, "page_size": 1})
    as_of, level = began["as_of"], question.level
    items, told = await _all(client, "distribution", LINES, {**question.limits, "as_of": as_of})
    won, closed = await _all(client, "sales", WON_DEALS, {"as_of": as_of})
    leads, cohort = await _cohort(client, {"by": label if owner == "lead" else None, "as_of": as_of})
    deals = map(partial(_deal, preferred=await _deals_of(client, question.source, as_of)), won)
    joined = fulfilment.join(map(_order_line, items), deals, through=question.through)

    def value_of(deal: fulfilment.Deal) -> str | None:
        lead = leads.get(deal.lead_id)
        return deal.labels.get(label) if owner == "deal" else lead.value if lead else None

    def zone_of(deal: fulfilment.Deal) -> str:
        lead = leads.get(deal.lead_id)
        return lead.time_zone if lead else "UTC"

    return {
        "report": "fulfilment",
        **{name: question.limits[name] for name in ("source", "from", "to")},
        "by": question.by,
        "through": question.through,
        "level": level,
        "as_of": {f"distribution {LINES}": told["as_of"], f"sales {WON_DEALS}": closed["as_of"], f"marketing {COHORT}": cohort["as_of"]},
        "metrics": {"distribution": told.get("metrics", {}), "sales": closed["metrics"], "report": JOINED},
        "total": _plain(fulfilment.summary(joined, level)),
        "groups": [{"value": value, **_plain(figures)} for value, figures in fulfilment.by_group(joined, value_of, level)],
        "orders_by_label": fulfilment.orders_by_label(joined),
        "days_won_to_first_order": asdict(fulfilment.days_to_first_order(joined, zone_of)),
        "orders_received_before_won": fulfilment.received_before_won(joined),
    }


async def _deals_of(client: api.Client, source: str | None, as_of: str) -> frozenset[str]:
    if source is None:
        return frozenset()
    items, _ = await _all(client, "sales", WON_DEALS, {"source": source, "as_of": as_of})
    return frozenset(item["deal_id"] for item in items)


def _plain(figures: fulfilment.Figures) -> dict[str, Any]:
    return asdict(figures) | {"values": [asdict(value) for value in figures.values]}


def _days_by_group(days: Mapping[str | None, list[int]], counted: list[str | None]) -> list[dict[str, Any]]:
    return [{"value": value, **asdict(funnel.summary(days[value]))} for value in funnel.in_order(days, counted)]


async def _cohort(client: api.Client, asked: api.Parameters) -> tuple[dict[UUID, CohortLead], api.Answer]:
    items, last = await _all(client, "marketing", COHORT, asked)
    leads = [
        CohortLead(
            lead_id=UUID(item["lead_id"]),
            value=item.get("value"),
            captured_on=date.fromisoformat(item["captured_on"]),
            time_zone=item["time_zone"],
            estimated=item["estimated"],
        )
        for item in items
    ]
    return {lead.lead_id: lead for lead in leads}, last


async def _all(client: api.Client, service: str, path: str, asked: api.Parameters) -> tuple[list[dict[str, Any]], api.Answer]:
    items: list[dict[str, Any]] = []
    page: api.Answer = {}
    async for page in client.pages(service, path, {**asked, "page_size": PAGE}):
        items += page["items"]
    return items, page


def _deal(item: Mapping[str, Any], *, preferred: frozenset[str]) -> fulfilment.Deal:
    return fulfilment.Deal(
        deal_id=UUID(item["deal_id"]),
        lead_id=UUID(item["lead_id"]),
        closed_at=datetime.fromisoformat(item["closed_at"]),
        estimated=item["estimated"],
        labels=item["labels"],
        preferred=item["deal_id"] in preferred,
    )


def _order_line(item: Mapping[str, Any]) -> fulfilment.OrderLine:
    return fulfilment.OrderLine(
        order_id=UUID(item["order_id"]),
        deal_id=UUID(item["deal_id"]) if item["deal_id"] else None,
        received_at=datetime.fromisoformat(item["received_at"]),
        received_on=date.fromisoformat(item["received_on"]),
        order_labels=item["order_labels"],
        order_on_time_by_day=item["order_on_time_by_day"],
        order_on_time_by_instant=item["order_on_time_by_instant"],
        days=item["order_days"],
        line_id=UUID(item["order_line_id"]) if item["order_line_id"] else None,
        labels=item["labels"] or {},
        amount=_money(item["amount"]),
        on_time_by_day=item["on_time_by_day"],
        on_time_by_instant=item["on_time_by_instant"],
    )


def _money(amount: Mapping[str, Any] | None) -> Money | None:
    return None if amount is None else Money(amount=Decimal(str(amount["amount"])), currency=amount["currency"])
