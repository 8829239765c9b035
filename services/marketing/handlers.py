"""What marketing listens to, on one page."""

from __future__ import annotations

from services.marketing.lifecycles import usecases as lifecycles
from shared.events.distribution.orders import OrderDelivered
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified
from shared.events.sales.deals import DealClosed
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.events.sales.opportunities import OpportunityStageChanged
from shared.inbox.handlers import Handlers

HANDLERS: Handlers = {
    LeadQualified: [lifecycles.enter_stages],
    LeadDisqualified: [lifecycles.enter_stages],
    LeadAccepted: [lifecycles.enter_stages],
    LeadRejected: [lifecycles.enter_stages],
    OpportunityStageChanged: [lifecycles.enter_opportunities],
    DealClosed: [lifecycles.note_outcomes],
    OrderDelivered: [lifecycles.note_deliveries],
}
