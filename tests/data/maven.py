"""The opportunities of a sales team, read and counted without the product."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.data import reading
from tests.data.reading import MISSING, named

PIPELINE = "maven_crm/sales_pipeline.csv"
ACCOUNTS = "maven_crm/accounts.csv"
PRODUCTS = "maven_crm/products.csv"
TEAMS = "maven_crm/sales_teams.csv"
FILES = (PIPELINE, ACCOUNTS, PRODUCTS, TEAMS)

LABELS = {"by_agent": "agent", "by_manager": "manager", "by_region": "region", "by_product": "product", "by_sector": "sector"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """One row with what the other files say of it; a word of its own for what is missing."""

    opportunity_id: str
    stage: str
    agent: str
    manager: str
    region: str
    product: str
    account: str
    sector: str
    engaged: date | None
    closed: date | None
    value: Decimal | None

    @property
    def quarter(self) -> str:
        """In which it was closed."""
        return MISSING if self.closed is None else f"{self.closed.year}-Q{(self.closed.month + 2) // 3}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crm:
    """All files together."""

    opportunities: Sequence[Opportunity]
    agents: set[str]
    products: Mapping[str, str]


def read(folder: Path) -> Crm:
    """The files in the folder of the real data."""
    teams = {row["sales_agent"]: row for row in reading.rows(folder / TEAMS)}
    sectors = {row["account"]: row["sector"] for row in reading.rows(folder / ACCOUNTS)}
    return Crm(
        opportunities=[_opportunity(row, teams, sectors) for row in reading.rows(folder / PIPELINE)],
        agents=set(teams),
        products={row["product"]: row["series"] for row in reading.rows(folder / PRODUCTS)},
    )


def figures(crm: Crm) -> dict[str, Any]:
    """The figures of the pipeline, in the words of the expected ones."""
    rows = crm.opportunities
    won, lost = _closed(rows, "Won"), _closed(rows, "Lost")
    values = [row.value for row in won if row.value is not None]
    spans = [*_spans(won), *_spans(lost)]
    total = group(rows)
    return {
        "rows": len(rows),
        "by_stage": dict(Counter(row.stage for row in rows)),
        "win_rate": total["win_rate"],
        "won_value": total["won_value"],
        "mean_won_value": reading.mean(values),
        "median_won_value": reading.median(values),
        "lost_value": sum((row.value or Decimal() for row in lost), Decimal()),
        "days_to_close": {
            "won_median": reading.median(_spans(won)),
            "won_mean": reading.mean(_spans(won)),
            "lost_median": reading.median(_spans(lost)),
            "lost_mean": reading.mean(_spans(lost)),
            "max": max(spans),
            "min": min(spans),
        },
        "missing": {"account": sum(row.account == MISSING for row in rows), "close_date": sum(row.closed is None for row in rows)},
        **{name: by(rows, lambda row, label=label: getattr(row, label)) for name, label in LABELS.items()},
        "by_close_quarter": by(rows, lambda row: row.quarter),
        "agents_in_team_without_opportunity": sorted(crm.agents - {row.agent for row in rows}),
        "products_not_in_product_table": dict(Counter(row.product for row in rows if row.product not in crm.products)),
    }


def by(rows: Iterable[Opportunity], word: Callable[[Opportunity], str]) -> dict[str, dict[str, Any]]:
    """Counts, win rate and value won of each group."""
    groups: defaultdict[str, list[Opportunity]] = defaultdict(list)
    for row in rows:
        groups[word(row)].append(row)
    return {name: group(inner) for name, inner in groups.items()}


def group(rows: Sequence[Opportunity]) -> dict[str, Any]:
    """Won of won and lost: what is open is in no denominator."""
    won, lost = _closed(rows, "Won"), _closed(rows, "Lost")
    return {
        "won": len(won),
        "lost": len(lost),
        "open": len(rows) - len(won) - len(lost),
        "win_rate": reading.rate(len(won), len(won) + len(lost)),
        "won_value": sum((row.value or Decimal() for row in won), Decimal()),
    }


def _closed(rows: Iterable[Opportunity], stage: str) -> list[Opportunity]:
    return [row for row in rows if row.stage == stage]


def _spans(rows: Iterable[Opportunity]) -> list[int]:
    return [reading.days(row.engaged, row.closed) for row in rows if row.engaged and row.closed]


def _opportunity(row: Mapping[str, str], teams: Mapping[str, Mapping[str, str]], sectors: Mapping[str, str]) -> Opportunity:
    team = teams[row["sales_agent"]]
    return Opportunity(
        opportunity_id=row["opportunity_id"],
        stage=row["deal_stage"],
        agent=row["sales_agent"],
        manager=team["manager"],
        region=team["regional_office"],
        product=row["product"],
        account=named(row["account"]),
        sector=sectors.get(row["account"], MISSING),
        engaged=_day(row["engage_date"]),
        closed=_day(row["close_date"]),
        value=Decimal(row["close_value"]) if row["close_value"] else None,
    )


def _day(cell: str) -> date | None:
    return date.fromisoformat(cell) if cell else None
