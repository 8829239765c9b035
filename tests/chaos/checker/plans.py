"""What the load writes: bodies with unique values, and what each of them must leave behind."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.checker.history import Item

Body = dict[str, Any]

STAGES = ("prospecting", "qualification", "proposal", "negotiation")
REASONS = ("no_budget", "bad_timing", "wrong_persona", "unreachable", "duplicate", "no_need", "wrong_geography")
LOSSES = ("pricing", "competition", "budget", "unresponsive", "poor_fit")
SKUS = ("SKU-100", "SKU-200", "SKU-310", "SKU-900")
REFUSED_COUNTRY = "AQ"
"""Leads from here are disqualified by the rule that the load brings into force."""

DISQUALIFIER = {
    "code": "checker_refuses_country",
    "axis": "fit",
    "when": f'lead.country == "{REFUSED_COUNTRY}"',
    "points": "0",
    "group": None,
    "kind": "disqualifier",
}


@dataclass(slots=True, kw_only=True)
class Plans:
    """Makes bodies. `source`: the registered sender of this run; `marker`: stands in everything that is personal, and nowhere else."""

    source: str
    marker: str
    count: int = 0
    words: list[str] = field(default_factory=lambda: _words(random.Random(7), 600))

    def unique(self) -> str:
        """A text that stands in one body only."""
        self.count += 1
        return f"{self.source}-{self.count}"

    def lead(self, chance: random.Random, lead_id: str, *, fat: bool = False) -> tuple[Body, Item]:
        """A response of somebody: most qualify, some are refused, some are nurtured."""
        unique = self.unique()
        kind = chance.choices(("ready", "refused", "cold"), (70, 12, 18))[0]
        facts: list[Body] = [{"fact_code": "company_size", "value": "enterprise"}]
        needs = ["replace_supplier", "extend_range"]
        if fat:
            words = chance.sample(self.words, 99 * 2 + 48)
            facts += [{"fact_code": f"f{index:02}" + words[index][:60], "value": words[99 + index]} for index in range(99)]
            needs += [f"{index:02}" + words[198 + index][:60] for index in range(48)]
        body: Body = {
            "lead_id": lead_id,
            "source": self.source,
            "external_id": unique,
            "customer_initiated": kind != "cold",
            "journey_stage": "awareness" if kind == "cold" else "purchase",
            "need_codes": [] if kind == "cold" and not fat else needs,
            "country": REFUSED_COUNTRY if kind == "refused" else chance.choice(("ES", "PT", "DE")),
            "expected_value": {"amount": f"{chance.randrange(6_000, 90_000)}.00", "currency": "EUR"},
            "facts": facts,
            "contact": {
                "given_name": self.marker,
                "family_name": f"{self.marker} {unique}",
                "email": f"{unique}@{self.marker}.example",
                "phone": f"+34 {self.marker} {self.count}",
            },
            "consents": [
                {"purpose": "contact", "state": "granted", "lawful_basis": "consent", "source_text": f"{self.marker} may call me."}
            ],
            "labels": {"u": unique},
        }
        has = {"external_id": unique, "labels.u": unique, "country": body["country"]}
        return body, Item(claims=(("marketing.leads", "lead_id", lead_id),), tells=(("lead-generated", lead_id),), has=has)

    def rejection(self, chance: random.Random) -> Body:
        """Why an offer is refused; the note is personal."""
        return {"reason_code": chance.choice(REASONS), "note": f"{self.marker} {self.unique()}"}

    def opportunity(self, chance: random.Random, opportunity_id: str, lead_id: str) -> tuple[Body, Item]:
        """A chance to sell."""
        unique = self.unique()
        body: Body = {"opportunity_id": opportunity_id, "lead_id": lead_id, "labels": {"u": unique}}
        body["amount"] = {"amount": f"{chance.randrange(500, 90_000)}.00", "currency": "EUR"}
        if chance.random() < 0.5:
            body["expected_close_date"] = f"2027-{chance.randrange(1, 13):02}-15"
        claims = (("sales.opportunities", "opportunity_id", opportunity_id),)
        return body, Item(claims=claims, tells=(("opportunity-stage-changed", opportunity_id),), has={"labels.u": unique})

    def stage(self, chance: random.Random) -> Body:
        """A step to another stage."""
        return {"stage_code": chance.choice(STAGES), "amount": {"amount": f"{chance.randrange(500, 90_000)}.00", "currency": "EUR"}}

    def lines(self, chance: random.Random, *, fat: bool = False) -> list[Body]:
        """What is sold. The fat ones come near to the most that an event may hold."""
        if not fat:
            return [_line(number + 1, sku, chance) for number, sku in enumerate(chance.sample(SKUS, chance.randrange(1, 4)))]
        words = {"unit": "𝔲" * 64, "ship_to_country": "𝔠" * 64, "requested_date": "2027-03-01"}
        return [_line(number, f"{number:03}" + "𝔰" * 61, chance) | words for number in range(1, chance.randrange(150, 201))]

    def deal(self, chance: random.Random, deal_id: str, lead_ids: Sequence[str], kind: str, *, fat: bool = False) -> tuple[Body, Item]:
        """A sale that ended: won with lines, won as a blanket order, or lost. `lead_ids`: the primary lead first."""
        unique = self.unique()
        body: Body = {"deal_id": deal_id, "lead_id": lead_ids[0], "lead_ids": list(lead_ids[1:]), "labels": {"u": unique}}
        body |= self.outcome(chance, kind, fat=fat) | {"outcome": "lost" if kind == "lost" else "won"}
        claims = (("sales.deals", "deal_id", deal_id),)
        return body, Item(claims=claims, tells=(("deal-closed", deal_id),), has={"labels.u": unique, "outcome": body["outcome"]})

    def outcome(self, chance: random.Random, kind: str, *, fat: bool = False) -> Body:
        """How a sale ended."""
        if kind == "lost":
            return {"lost_reasons": [chance.choice(LOSSES)], "note": f"{self.marker} {self.unique()}"}
        return {"blanket_order": True, "currency": "EUR"} if kind == "blanket" else {"lines": self.lines(chance, fat=fat)}

    def call_off(self, chance: random.Random, order_id: str) -> tuple[Body, Item]:
        """An order under a blanket deal."""
        unique = self.unique()
        lines = self.lines(chance)
        body = {"order_id": order_id, "currency": "EUR", "labels": {"u": unique}, "lines": lines}
        claims = (("distribution.orders", "order_id", order_id),)
        return body, Item(claims=claims, tells=(("order-promised", order_id),), has={"labels.u": unique})

    def order_line(self, chance: random.Random, order_id: str, line_id: str) -> tuple[Body, Item]:
        """One more line of a call-off."""
        line = _line(0, chance.choice(SKUS), chance)
        body = {name: value for name, value in line.items() if name != "line_no"} | {"order_line_id": line_id}
        return body, Item(claims=(("distribution.order_lines", "order_line_id", line_id),), tells=(("order-promised", order_id),))

    def moved(self, kind: str, fact_id: str, order_id: str, lines: Sequence[Mapping[str, object]]) -> tuple[Body, Item]:
        """A shipment, delivery or cancellation of named quantities, as a source tells of it."""
        topic = {"shipment": "order-shipped", "delivery": "order-delivered", "cancellation": "order-cancelled"}[kind]
        body: Body = {f"{kind}_id": fact_id, "order_id": order_id, "occurred_at": "2026-10-01T08:00:00Z", "lines": list(lines)}
        table = {"shipment": "shipments", "delivery": "deliveries", "cancellation": "cancellations"}[kind]
        return body, Item(
            claims=((f"distribution.{table}", f"{kind}_id", fact_id),), tells=((topic, order_id),), has={"order_id": order_id}
        )

    def approval(self, approval_id: str, order_id: str) -> tuple[Body, Item]:
        """An approval, as a source tells of it. Nobody is told."""
        body: Body = {"approval_id": approval_id, "order_id": order_id, "occurred_at": "2026-10-01T08:00:00Z"}
        return body, Item(claims=(("distribution.approvals", "approval_id", approval_id),), has={"order_id": order_id})


def _words(chance: random.Random, count: int) -> list[str]:
    # As long as a word may be, four bytes a letter, and nothing that a database could compress.
    letters = [chr(point) for point in range(0x1D400, 0x1D7FF)]
    return ["".join(chance.choices(letters, k=64)) for _ in range(count)]


def _line(number: int, sku: str, chance: random.Random) -> Body:
    price = {"amount": f"{chance.randrange(1, 90)}.50", "currency": "EUR"}
    return {"line_no": number, "sku": sku, "quantity": str(chance.randrange(4, 40)), "net_unit_price": price}
