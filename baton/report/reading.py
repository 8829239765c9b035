"""The funnel report from the answers of marketing and sales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from baton import client as api
from baton.report import funnel
from baton.report.funnel import CohortLead, WonDeal

ROLE = "reader"
PAGE = 1000
METRICS = {"days_to_close": "report.days_to_close.1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: leads of which source, captured on which local days (inclusive), grouped by which label."""

    source: str | None = None
    by: str | None = None
    since: date | None = None
    until: date | None = None


async def read(client: api.Client, question: Question) -> dict[str, Any]:
    """The report as one object, all of it as of the instant at which marketing answered first. Raises what the client raises."""
    asked = {
        "source": question.source,
        "by": question.by,
        "from": question.since.isoformat() if question.since else None,
        "to": question.until.isoformat() if question.until else None,
    }
    counted = await client.get("marketing", "/v1/metrics/funnel", asked)
    leads, cohort = await _cohort(client, asked | {"as_of": counted["as_of"]})
    deals, won = await _won_deals(client, {"lead_source": question.source, "as_of": counted["as_of"]})
    days = funnel.days_by_group(leads, deals)
    return {
        "report": "funnel",
        **asked,
        "as_of": {
            "marketing /v1/metrics/funnel": counted["as_of"],
            "marketing /v1/metrics/funnel/leads": cohort["as_of"],
            "sales /v1/metrics/won-deals": won["as_of"],
        },
        "metrics": {"marketing": counted["metrics"], "sales": won["metrics"], "report": METRICS},
        "time_zone": counted["time_zone"],
        "total": counted["total"],
        "groups": counted["groups"] if question.by else [],
        "days_to_close": asdict(funnel.summary([each for group in days.values() for each in group])),
        "days_to_close_by_group": _by_group(days, [group["value"] for group in counted["groups"]]) if question.by else [],
    }


def _by_group(days: Mapping[str | None, list[int]], counted: list[str | None]) -> list[dict[str, Any]]:
    return [{"value": value, **asdict(funnel.summary(days[value]))} for value in funnel.in_order(days, counted)]


async def _cohort(client: api.Client, asked: Mapping[str, Any]) -> tuple[dict[UUID, CohortLead], api.Answer]:
    leads: dict[UUID, CohortLead] = {}
    page: api.Answer = {}
    async for page in client.pages("marketing", "/v1/metrics/funnel/leads", {**asked, "page_size": PAGE}):
        for item in page["items"]:
            lead = CohortLead(
                lead_id=UUID(item["lead_id"]),
                value=item.get("value"),
                captured_on=date.fromisoformat(item["captured_on"]),
                time_zone=item["time_zone"],
                estimated=item["estimated"],
            )
            leads[lead.lead_id] = lead
    return leads, page


async def _won_deals(client: api.Client, asked: Mapping[str, Any]) -> tuple[list[WonDeal], api.Answer]:
    deals: list[WonDeal] = []
    page: api.Answer = {}
    async for page in client.pages("sales", "/v1/metrics/won-deals", {**asked, "page_size": PAGE}):
        deals += [
            WonDeal(lead_id=UUID(item["lead_id"]), closed_at=datetime.fromisoformat(item["closed_at"]), estimated=item["estimated"])
            for item in page["items"]
        ]
    return deals, page
