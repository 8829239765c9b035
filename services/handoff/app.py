"""Handoff, wired: the only file that knows all of it."""

from pathlib import Path

from services.handoff.decisions import routes as decisions
from services.handoff.handlers import HANDLERS
from services.handoff.journeys import routes as journeys
from services.handoff.rulesets import routes as rulesets
from services.handoff.rulesets import usecases
from services.handoff.schema import METADATA
from shared.runtime.service import Service

SERVICE = Service(
    name="handoff",
    metadata=METADATA,
    routers=[rulesets.router, decisions.router, journeys.router],
    handlers=HANDLERS,
    folder=Path(__file__).parent,
    on_start=usecases.publish_default,
)
