"""The table of utm_medium texts over HTTP."""

from typing import Annotated

from fastapi import Path
from pydantic import StringConstraints

from services.marketing.mediums import usecases
from shared.events.marketing.leads import Medium
from shared.http import edge
from shared.http.bodies import Answer, Body
from shared.http.edge import Call, requires

router = edge.router(tags=["media"])

UtmText = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00/]*[^\x00/\s][^\x00/]*$")]


class PutMedium(Body):
    """What a utm_medium text counts as."""

    medium: Medium


class MediumOut(Answer):
    """A utm_medium text and the medium it counts as."""

    utm_medium: str
    medium: str


class MediumsOut(Answer):
    """The whole table."""

    items: list[MediumOut]


@router.put("/utm-mediums/{utm_medium}")
async def put_medium(
    utm_medium: Annotated[UtmText, Path()], body: PutMedium, call: Annotated[Call, requires("channels:write")]
) -> MediumOut:
    """Say what a utm_medium text counts as, for the leads that come from now on."""
    return MediumOut.model_validate(await usecases.put_medium(call.tx, utm_medium, body.medium))


@router.get("/utm-mediums")
async def list_mediums(call: Annotated[Call, requires("channels:read")]) -> MediumsOut:
    """All known utm_medium texts. Any other counts as `unregistered`."""
    return MediumsOut(items=[MediumOut.model_validate(known) for known in await usecases.list_mediums(call.tx)])
