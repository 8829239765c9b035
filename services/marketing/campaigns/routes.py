"""The campaign registry over HTTP."""

from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints

from services.marketing.campaigns import domain, usecases
from shared.errors import NotFound
from shared.events.marketing.leads import Medium
from shared.http import edge
from shared.http.bodies import Answer, Body
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems

router = edge.router(tags=["campaigns"])

CampaignCode = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class CreateCampaign(Body):
    """A campaign under the code that other systems use for it. Without an id the code gives one."""

    campaign_id: UUID | None = None
    code: CampaignCode
    name: Name
    kind: domain.CampaignKind
    medium: Medium | None = None


class CampaignOut(Answer):
    """A registered campaign."""

    campaign_id: UUID
    code: str
    name: str
    kind: str
    medium: str | None
    version: int


@router.post("/campaigns", status_code=201, responses=problems(domain.CampaignDiffers))
async def create_campaign(body: CreateCampaign, call: Annotated[Call, requires("campaigns:write")]) -> CampaignOut:
    """Register a campaign. Said again with the same content, it answers with the known one."""
    campaign = await usecases.create_campaign(call.tx, **dict(body), cause=call.cause)
    return CampaignOut.model_validate(campaign)


@router.get("/campaigns")
async def list_campaigns(
    page: Annotated[PageRequest, page_request()], call: Annotated[Call, requires("campaigns:read")]
) -> Page[CampaignOut]:
    """All campaigns, in the order of their registration."""
    found = await usecases.list_campaigns(call.tx, page.after, page.limit + 1)
    return page.answer(found, key=lambda campaign: (campaign.recorded_at, campaign.campaign_id), out=CampaignOut.model_validate)


@router.get("/campaigns/{campaign_id}", responses=problems(NotFound))
async def get_campaign(campaign_id: UUID, call: Annotated[Call, requires("campaigns:read")]) -> CampaignOut:
    """One campaign."""
    return CampaignOut.model_validate(await usecases.get_campaign(call.tx, campaign_id))
