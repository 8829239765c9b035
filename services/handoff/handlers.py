"""What handoff listens to, on one page."""

from services.handoff.decisions import usecases as decisions
from services.handoff.journeys import usecases as journeys
from shared.events.distribution.orders import OrderCancelled, OrderDelivered, OrderPromised, OrderShipped
from shared.events.marketing.leads import LeadGenerated
from shared.events.sales.deals import DealClosed
from shared.events.sales.offers import LeadAccepted, LeadRejected
from shared.events.sales.opportunities import OpportunityStageChanged
from shared.inbox.handlers import Handlers

HANDLERS: Handlers = {
    LeadGenerated: [decisions.decide_leads, journeys.note_events, journeys.note_own_events],
    LeadAccepted: [journeys.note_events],
    LeadRejected: [journeys.note_events],
    OpportunityStageChanged: [journeys.note_events],
    DealClosed: [journeys.note_events],
    OrderPromised: [journeys.note_events],
    OrderShipped: [journeys.note_events],
    OrderDelivered: [journeys.note_events],
    OrderCancelled: [journeys.note_events],
}
