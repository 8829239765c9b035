"""The channel registry over HTTP."""

from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints

from services.marketing.channels import domain, usecases
from shared.errors import NotFound
from shared.events.marketing.leads import Medium
from shared.http import edge
from shared.http.bodies import Answer, Body
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems

router = edge.router(tags=["channels"])

ChannelCode = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class CreateChannel(Body):
    """A channel under the code that other systems use for it. Without an id the code gives one."""

    channel_id: UUID | None = None
    code: ChannelCode
    name: Name
    kind: domain.ChannelKind
    medium: Medium | None = None


class ChannelOut(Answer):
    """A registered channel."""

    channel_id: UUID
    code: str
    name: str
    kind: str
    medium: str | None
    version: int


@router.post("/channels", status_code=201, responses=problems(domain.ChannelDiffers))
async def create_channel(body: CreateChannel, call: Annotated[Call, requires("channels:write")]) -> ChannelOut:
    """Register a channel. Said again with the same content, it answers with the known one."""
    channel = await usecases.create_channel(call.tx, **dict(body), cause=call.cause)
    return ChannelOut.model_validate(channel)


@router.get("/channels")
async def list_channels(page: Annotated[PageRequest, page_request()], call: Annotated[Call, requires("channels:read")]) -> Page[ChannelOut]:
    """All channels, in the order of their registration."""
    found = await usecases.list_channels(call.tx, page.after, page.limit + 1)
    return page.answer(found, key=lambda channel: (channel.recorded_at, channel.channel_id), out=ChannelOut.model_validate)


@router.get("/channels/{channel_id}", responses=problems(NotFound))
async def get_channel(channel_id: UUID, call: Annotated[Call, requires("channels:read")]) -> ChannelOut:
    """One channel."""
    return ChannelOut.model_validate(await usecases.get_channel(call.tx, channel_id))
