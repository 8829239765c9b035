"""What an order without a deal hangs on: a standing blanket deal, one per customer or one per source, and the lead that it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from baton.importer import dates, values
from baton.importer.faults import UnfitError
from shared import ids

if TYPE_CHECKING:
    from baton.importer import mapping

LABELS = {"standing": "true"}
LONGEST_CUSTOMER = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A standing deal: whose it is (none: the whole source's) and since when, an instant as a command has it."""

    source: str
    customer: str | None
    since: str
    currency: str | None

    @property
    def external_id(self) -> str:
        """The name of the deal and of its lead."""
        return "standing" if self.customer is None else f"standing/{self.customer}"

    @property
    def lead_id(self) -> str:
        """The lead's id."""
        return str(ids.derived_id(self.source, "lead", self.external_id))

    @property
    def deal_id(self) -> str:
        """The deal's id."""
        return str(ids.derived_id(self.source, "deal", self.external_id))


Read = Callable[[values.Row], Standing]


def shape(given: mapping.Standing, context: values.Context) -> Read:
    """The function that tells which standing deal a row would hang on."""
    source, currency = context.mapping.source, context.mapping.defaults.currency
    since, _ = dates.moments([dates.ISO], source.time_zone)(given.since.isoformat())
    customer = values.text(given.customer, context) if given.customer else lambda _: None

    def read(row: values.Row) -> Standing:
        name = customer(row)
        if name is not None and len(name) > LONGEST_CUSTOMER:
            raise UnfitError("TOO_LONG", f"is longer than {LONGEST_CUSTOMER} characters")
        return Standing(source=source.code, customer=name, since=since, currency=currency)

    return read


def lead(of: Standing) -> dict[str, Any]:
    """The command that registers its lead."""
    return {
        "source": of.source,
        "lead_id": of.lead_id,
        "external_id": of.external_id,
        "origin": "sales_generated",
        "occurred_at": of.since,
        "estimated": True,
        "labels": LABELS,
    }


def deal(of: Standing) -> dict[str, Any]:
    """The command that closes it."""
    body: dict[str, Any] = {
        "source": of.source,
        "deal_id": of.deal_id,
        "external_id": of.external_id,
        "lead_id": of.lead_id,
        "outcome": "won",
        "blanket_order": True,
        "occurred_at": of.since,
        "estimated": True,
        "labels": LABELS,
    }
    if of.currency is not None:
        body["currency"] = of.currency
    if of.customer is not None:
        body["customer_id"] = str(ids.derived_id(of.source, "customer", of.customer))
    return body
