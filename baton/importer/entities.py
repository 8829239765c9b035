"""What a mapping can feed: each entity with its bulk route and its fields. A new entity is one more entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from shared.events.handoff import decisions
from shared.events.marketing import leads
from shared.events.sales import deals, opportunities

Kind = Literal["text", "instant", "day", "decimal", "integer", "boolean", "money", "reference", "list"]

LABEL_LENGTH = 32
MOST_LABELS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a command. `to` is its place in the body, `refers` the kind of thing whose derived id it holds."""

    kind: Kind = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    refers: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A kind of thing that a row can tell of. `time` is the field without which there is no fact; it can be estimated.

    `groups` are lists of small objects inside it, `constants` what every imported one carries; `facts` and `updates` say whether it takes
    facts for fit rules and can be changed by a later import.
    """

    name: str
    service: str
    path: str
    id_field: str
    fields: Mapping[str, Field]
    groups: Mapping[str, Mapping[str, Field]] = field(default_factory=dict)
    constants: Mapping[str, object] = field(default_factory=dict)
    facts: bool = False
    updates: bool = False
    time: str = "occurred_at"


def _one_of(kind: object, **more: bool) -> Field:
    return Field(choices=get_args(kind), required=more.get("required", False))


LEAD = Entity(
    name="lead",
    service="marketing",
    path="/v1/leads/batch",
    id_field="lead_id",
    fields={
        "occurred_at": Field(kind="instant", required=True),
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

ENTITIES: Mapping[str, Entity] = {entity.name: entity for entity in (LEAD, OPPORTUNITY, DEAL)}
"""In the order in which they are sent: what others refer to comes first."""
