"""Leads and deals for imports under faults: seeded, no outside file, and what the figures must come to."""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

SEED = 20260302
LEADS = 5000
WON, BLANKET, LOST = 500, 100, 60
"""Of the won deals so many are blanket orders; the lost ones come on top."""

ORIGINS = ("search", "social", "referral", "fair", "unknown", "")
BEGIN = datetime(2024, 1, 8, 6, 0, tzinfo=UTC)

MAPPING = """\
[source]
code = "{code}"
name = "Generated population"
time_zone = "Europe/Madrid"

[files.leads]
columns = ["lead", "captured", "origin"]

[files.deals]
columns = ["deal", "lead", "outcome", "closed"]

[[feeds]]
entity = "lead"
file = "leads"
external_id = "lead"

[feeds.fields]
occurred_at = "captured"
customer_initiated = "asked"
journey_stage = "stage"
need_codes = {{ column = "needs", split = ";" }}
country = "country"
email = "email"
expected_value = {{ column = "value", currency = {{ constant = "EUR" }} }}

[feeds.labels]
origin = "origin"

[feeds.facts]
company_size = "size"

[[feeds]]
entity = "deal"
file = "deals"
external_id = "deal"
when = {{ outcome = ["won"], blanket = ["no"] }}

[feeds.fields]
occurred_at = "closed"
lead = "lead"
outcome = "outcome"

[[feeds.lines]]
sku = "sku"
quantity = "quantity"
net_unit_price = {{ column = "price", currency = {{ constant = "EUR" }} }}

[[feeds]]
entity = "deal"
file = "deals"
external_id = "deal"
when = {{ outcome = ["won"], blanket = ["yes"] }}

[feeds.fields]
occurred_at = "closed"
lead = "lead"
outcome = "outcome"
blanket_order = {{ constant = true }}

[[feeds]]
entity = "deal"
file = "deals"
external_id = "deal"
when = {{ outcome = ["lost"] }}

[feeds.fields]
occurred_at = "closed"
lead = "lead"
outcome = "outcome"
lost_reasons = {{ constant = "pricing", split = ";" }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Rows as they stand in the two files."""

    leads: Sequence[Mapping[str, str]]
    deals: Sequence[Mapping[str, str]]

    def write(self, folder: Path) -> list[str]:
        """The two files, as arguments of an import."""
        return [_write(folder / "leads.csv", self.leads), _write(folder / "deals.csv", self.deals)]

    def truth(self) -> dict[str, object]:
        """What any import of it must come to, worked out from the rows alone."""
        won = {deal["lead"] for deal in self.deals if deal["outcome"] == "won"}
        orders = [deal for deal in self.deals if deal["outcome"] == "won" and deal["blanket"] == "no"]
        return {
            "leads": len(self.leads),
            "won_deals": len(won),
            "deals": len(self.deals),
            "orders": len(orders),
            "order_value": sum(Decimal(deal["quantity"]) * Decimal(deal["price"]) for deal in orders),
            "leads_by_origin": dict(Counter(lead["origin"] or "(missing)" for lead in self.leads)),
            "won_by_origin": dict(Counter(lead["origin"] or "(missing)" for lead in self.leads if lead["lead"] in won)),
        }


def make(seed: int = SEED) -> Population:
    """The same rows for the same seed."""
    chance = random.Random(seed)
    leads = [_lead(chance, number) for number in range(LEADS)]
    kinds = [("won", "no")] * (WON - BLANKET) + [("won", "yes")] * BLANKET + [("lost", "no")] * LOST
    chance.shuffle(kinds)
    sold = chance.sample(leads, len(kinds))
    deals = [
        _deal(chance, number, lead, outcome, blanket) for number, (lead, (outcome, blanket)) in enumerate(zip(sold, kinds, strict=True))
    ]
    return Population(leads=leads, deals=deals)


def mapping(folder: Path, code: str) -> Path:
    """A mapping that imports the files under this source code."""
    file = folder / f"{code}.toml"
    file.write_text(MAPPING.format(code=code))
    return file


def _lead(chance: random.Random, number: int) -> dict[str, str]:
    ready = chance.random() < 0.4
    return {
        "lead": f"L{number}",
        "captured": (BEGIN + timedelta(minutes=97 * number, seconds=chance.randrange(3600))).isoformat(),
        "origin": chance.choice(ORIGINS),
        "asked": "true" if ready else "false",
        "stage": "purchase" if ready else "awareness",
        "needs": "replace_supplier;extend_range" if ready else "",
        "country": chance.choice(("ES", "PT", "FR")),
        "email": f"lead{number}@population.example",
        "value": f"{chance.randrange(6_000, 90_000)}.00" if ready else "",
        "size": "enterprise" if ready else "smb",
    }


def _deal(chance: random.Random, number: int, lead: Mapping[str, str], outcome: str, blanket: str) -> dict[str, str]:
    closed = datetime.fromisoformat(lead["captured"]) + timedelta(days=chance.randrange(0, 60), hours=3)
    return {
        "deal": f"D{number}",
        "lead": lead["lead"],
        "outcome": outcome,
        "blanket": blanket,
        "closed": closed.isoformat(),
        "sku": f"SKU-{chance.randrange(1, 9)}",
        "quantity": str(chance.randrange(1, 30)),
        "price": f"{chance.randrange(100, 90_000) / 100:.2f}",
    }


def _write(file: Path, rows: Sequence[Mapping[str, str]]) -> str:
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(file)
