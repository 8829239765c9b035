"""What sales listens to, on one page."""

from __future__ import annotations

from services.sales.fulfilments import usecases as fulfilments
from services.sales.leads import usecases as leads
from services.sales.offers import usecases as offers
from shared.events.distribution.orders import OrderCancelled, OrderDelivered, OrderPromised, OrderShipped
from shared.events.handoff.decisions import LeadDisqualified, LeadQualified
from shared.events.handoff.routing import LeadRouted
from shared.events.marketing.leads import LeadGenerated
from shared.inbox.handlers import Handlers

HANDLERS: Handlers = {
    LeadGenerated: [leads.note_leads],
    LeadQualified: [leads.note_qualified],
    LeadDisqualified: [leads.note_disqualified],
    LeadRouted: [offers.offer_leads],
    OrderPromised: [fulfilments.note_orders],
    OrderShipped: [fulfilments.note_orders],
    OrderDelivered: [fulfilments.note_orders],
    OrderCancelled: [fulfilments.note_orders],
}
