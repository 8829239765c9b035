"""The sales service: everything it is made of."""

from __future__ import annotations

from pathlib import Path

from services.sales.deals.routes import router as deals
from services.sales.fulfilments.routes import router as fulfilments
from services.sales.handlers import HANDLERS
from services.sales.leads.routes import router as leads
from services.sales.measures.routes import router as measures
from services.sales.offers.routes import router as offers
from services.sales.opportunities.routes import router as opportunities
from services.sales.schema import METADATA
from shared.runtime.service import Service

SERVICE = Service(
    name="sales",
    metadata=METADATA,
    routers=[leads, offers, opportunities, deals, fulfilments, measures],
    handlers=HANDLERS,
    folder=Path(__file__).parent,
)
