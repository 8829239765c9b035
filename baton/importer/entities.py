"""What a mapping can feed: each entity with its bulk route and its fields. A new entity is one more entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from shared.events.handoff import decisions
from shared.events.marketing import leads
from shared.events.sales import deals, opportunities

Default = Literal["currency", "time_zone"]
Kind = Literal["text", "instant", "day", "decimal", "integer", "boolean", "money", "reference", "list"]

LABEL_NAME_LENGTH = 32
LABEL_LENGTH = 120
MOST_LABELS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a command. `to` is its place in the body, `refers` the kind of thing whose derived id it holds.

    `default` names what of the mapping holds where a row says nothing: its currency or the source's time zone.
    """

    kind: Kind = "text"
    required: bool = False
    default: Default | None = None
    choices: tuple[str, ...] = ()
    refers: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A kind of thing that a row can tell of. `time` is the field without which there is no fact; it can be estimated. Empty: it has none.

    `groups` are lists of small objects inside it, `constants` what every imported one carries unless the row says otherwise. `numbered`:
    its lines are its own and get numbers; otherwise they name lines of an order, and naming none would mean all of them. `facts` and
    `updates` say whether it takes facts for fit rules and can be changed by a later import, `days` whether it keeps that only the day of
    its time is known, `of_deal` whether it hangs on a deal, for which a standing one can stand in. `in_turn`: a batch
    is sent when the one before is stored, because two of them would wait for the same orders.
    """

    name: str
    service: str
    path: str
    id_field: str
    fields: Mapping[str, Field]
    groups: Mapping[str, Mapping[str, Field]] = field(default_factory=dict)
    constants: Mapping[str, object] = field(default_factory=dict)
    numbered: bool = True
    facts: bool = False
    updates: bool = False
    days: bool = False
    of_deal: bool = False
    in_turn: bool = False
    time: str = "occurred_at"


def _one_of(kind: object) -> Field:
    return Field(choices=get_args(kind))


_OF_ORDER = Field(kind="reference", refers="order", to="order_id", required=True)
_LINE = {
    "product": Field(kind="reference", refers="product", to="product_id"),
    "sku": Field(),
    "fulfilment_type": _one_of(deals.FulfilmentType),
    "quantity": Field(kind="decimal", required=True),
    "unit": Field(),
    "net_unit_price": Field(kind="money"),
    "net_amount": Field(kind="money"),
    "freight_amount": Field(kind="money"),
    "ship_by": Field(kind="instant"),
    "requested_date": Field(kind="day"),
    "promise_date": Field(kind="day"),
    "outlet": Field(kind="reference", refers="outlet", to="outlet_id"),
    "ship_to_time_zone": Field(),
}
_PART = {
    "line": Field(kind="reference", refers="order_line", to="order_line_id"),
    "line_no": Field(kind="integer"),
    "quantity": Field(kind="decimal"),
}


LEAD = Entity(
    name="lead",
    service="marketing",
    path="/v1/leads/batch",
    id_field="lead_id",
    fields={
        "occurred_at": Field(kind="instant", required=True),
        "origin": Field(choices=("import", "sales_generated")),
        "campaign_code": Field(),
        "channel_code": Field(),
        "medium": _one_of(leads.Medium),
        "utm_medium": Field(),
        "customer_initiated": Field(kind="boolean"),
        "first_response_at": Field(kind="instant"),
        "interaction_mode": _one_of(leads.InteractionMode),
        "audience": _one_of(leads.Audience),
        "touch_intent": _one_of(leads.TouchIntent),
        "journey_stage": _one_of(leads.JourneyStage),
        "need_codes": Field(kind="list"),
        "expected_units": Field(kind="decimal"),
        "expected_value": Field(kind="money"),
        "country": Field(),
        "region_code": Field(),
        "language": Field(),
        "time_zone": Field(),
        "organisation": Field(kind="reference", refers="organisation", to="organisation_id"),
        "given_name": Field(to="contact.given_name"),
        "family_name": Field(to="contact.family_name"),
        "email": Field(to="contact.email"),
        "phone": Field(to="contact.phone"),
        "organisation_name": Field(to="contact.organisation_name"),
    },
    groups={
        "consents": {
            "purpose": Field(required=True),
            "state": Field(required=True, choices=get_args(leads.ConsentState)),
            "lawful_basis": Field(required=True, choices=get_args(leads.LawfulBasis)),
            "source_text": Field(required=True),
            "occurred_at": Field(kind="instant"),
        }
    },
    constants={"origin": "import"},
    facts=True,
    updates=True,
)

OPPORTUNITY = Entity(
    name="opportunity",
    service="sales",
    path="/v1/opportunities/batch",
    id_field="opportunity_id",
    fields={
        "occurred_at": Field(kind="instant", required=True),
        "lead": Field(kind="reference", refers="lead", to="lead_id", required=True),
        "stage_code": Field(),
        "amount": Field(kind="money"),
        "expected_close_date": Field(kind="day"),
        "owner": Field(kind="reference", refers="staff", to="owner_id"),
        "owner_role": Field(),
        "customer": Field(kind="reference", refers="customer", to="customer_id"),
    },
)

DEAL = Entity(
    name="deal",
    service="sales",
    path="/v1/deals/batch",
    id_field="deal_id",
    fields={
        "occurred_at": Field(kind="instant", required=True),
        "lead": Field(kind="reference", refers="lead", to="lead_id", required=True),
        "opportunity": Field(kind="reference", refers="opportunity", to="deal_id"),  # a deal that ends an opportunity has its id
        "outcome": Field(choices=("won", "lost"), required=True),
        "close_mode": _one_of(deals.CloseMode),
        "blanket_order": Field(kind="boolean"),
        "customer": Field(kind="reference", refers="customer", to="customer_id"),
        "customer_type": _one_of(decisions.CustomerType),
        "owner": Field(kind="reference", refers="staff", to="owner_id"),
        "owner_role": Field(),
        "lost_reasons": Field(kind="list", choices=get_args(opportunities.LostReason)),
        "currency": Field(),
    },
    groups={
        "lines": {
            "product": Field(kind="reference", refers="product", to="product_id"),
            "sku": Field(required=True),
            "quantity": Field(kind="decimal", required=True),
            "unit": Field(),
            "list_unit_price": Field(kind="money"),
            "net_unit_price": Field(kind="money", required=True),
            "requested_date": Field(kind="day"),
            "confirmed_date": Field(kind="day"),
            "ship_to_country": Field(),
        }
    },
)

ORDER = Entity(
    name="order",
    service="distribution",
    path="/v1/orders/batch",
    id_field="order_id",
    fields={
        "occurred_at": Field(kind="instant", required=True),
        "deal": Field(kind="reference", refers="deal", to="deal_id"),
        "opportunity": Field(kind="reference", refers="opportunity", to="deal_id"),  # of a deal that ended one
        "customer": Field(kind="reference", refers="customer", to="customer_id"),
        "currency": Field(default="currency"),
        "time_zone": Field(default="time_zone"),
        "requested_date": Field(kind="day"),
        "promise_date": Field(kind="day"),
    },
    groups={"lines": _LINE},
    of_deal=True,
)

ORDER_LINE = Entity(
    name="order_line",
    service="distribution",
    path="/v1/order-lines/batch",
    id_field="order_line_id",
    fields={"order": _OF_ORDER, "line_no": Field(kind="integer"), **_LINE},
    time="",
    in_turn=True,
)

APPROVAL = Entity(
    name="approval",
    service="distribution",
    path="/v1/approvals/batch",
    id_field="approval_id",
    fields={"occurred_at": Field(kind="instant", required=True), "order": _OF_ORDER},
    in_turn=True,
)

SHIPMENT = Entity(
    name="shipment",
    service="distribution",
    path="/v1/shipments/batch",
    id_field="shipment_id",
    fields={
        "occurred_at": Field(kind="instant", required=True),
        "order": _OF_ORDER,
        "carrier_code": Field(),
        "expected_delivery_date": Field(kind="day"),
    },
    groups={"lines": _PART},
    numbered=False,
    in_turn=True,
)

DELIVERY = Entity(
    name="delivery",
    service="distribution",
    path="/v1/deliveries/batch",
    id_field="delivery_id",
    fields={
        "occurred_at": Field(kind="instant", required=True),
        "order": _OF_ORDER,
        "shipment": Field(kind="reference", refers="shipment", to="shipment_id"),
        "reported_at": Field(kind="instant"),
        "receipt_confirmed": Field(kind="boolean"),
    },
    groups={"lines": {**_PART, "accepted_quantity": Field(kind="decimal"), "damaged_quantity": Field(kind="decimal")}},
    numbered=False,
    days=True,
    in_turn=True,
)

CANCELLATION = Entity(
    name="cancellation",
    service="distribution",
    path="/v1/cancellations/batch",
    id_field="cancellation_id",
    fields={"occurred_at": Field(kind="instant", required=True), "order": _OF_ORDER},
    groups={"lines": _PART},
    constants={"cause": "imported"},
    numbered=False,
    in_turn=True,
)

ENTITIES: Mapping[str, Entity] = {
    entity.name: entity for entity in (LEAD, OPPORTUNITY, DEAL, ORDER, ORDER_LINE, APPROVAL, SHIPMENT, DELIVERY, CANCELLATION)
}
"""In the order in which they are sent: what others refer to comes first."""
