"""Marketing, wired."""

from __future__ import annotations

from pathlib import Path

from services.marketing.campaigns import routes as campaigns
from services.marketing.channels import routes as channels
from services.marketing.handlers import HANDLERS
from services.marketing.leads import routes as leads
from services.marketing.measures import routes as measures
from services.marketing.mediums import routes as mediums
from services.marketing.schema import METADATA
from services.marketing.sources import routes as sources
from services.marketing.subjects import routes as subjects
from shared.runtime.service import Service

SERVICE = Service(
    name="marketing",
    metadata=METADATA,
    routers=[
        leads.router,
        subjects.router,
        campaigns.router,
        channels.router,
        mediums.router,
        sources.router,
        measures.router,
    ],
    handlers=HANDLERS,
    folder=Path(__file__).parent,
)
