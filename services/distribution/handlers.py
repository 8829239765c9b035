"""What distribution listens to, on one page."""

from services.distribution.orders import usecases as orders
from shared.events.sales.deals import DealClosed
from shared.inbox.handlers import Handlers

HANDLERS: Handlers = {
    DealClosed: [orders.open_orders],
}
