"""What distribution listens to, on one page."""

from services.distribution.calloffs import usecases as calloffs
from shared.events.sales.deals import DealClosed
from shared.inbox.handlers import Handlers

HANDLERS: Handlers = {
    DealClosed: [calloffs.open_orders],
}
