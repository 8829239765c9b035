"""The source registry over HTTP."""

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, Field, StringConstraints

from services.marketing.sources import domain, usecases
from shared import calendar
from shared.errors import NotFound
from shared.http import edge
from shared.http.bodies import Answer, Body
from shared.http.edge import Call, requires
from shared.http.problems import problems

router = edge.router(tags=["sources"])


def _zone(name: str) -> str:
    calendar.zone(name)
    return name


SourceCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
TimeZone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_zone)]


class PutSource(Body):
    """A system that sends leads, and the zone in which its days are taken."""

    name: Name
    time_zone: TimeZone = "UTC"


class SourceOut(Answer):
    """A registered source."""

    code: str
    name: str
    time_zone: str
    in_use: bool
    version: int


class SourcesOut(Answer):
    """All registered sources."""

    items: list[SourceOut]


@router.put("/sources/{code}", responses=problems(domain.SourceInUse))
async def put_source(code: Annotated[SourceCode, Path()], body: PutSource, call: Annotated[Call, requires("sources:write")]) -> SourceOut:
    """Register a source, or restate it. The zone is fixed as soon as the source has sent a lead."""
    source = await usecases.put_source(call.tx, code, name=body.name, time_zone=body.time_zone, cause=call.cause)
    return SourceOut.model_validate(source)


@router.get("/sources")
async def list_sources(call: Annotated[Call, requires("sources:read")]) -> SourcesOut:
    """All sources."""
    return SourcesOut(items=[SourceOut.model_validate(source) for source in await usecases.list_sources(call.tx)])


@router.get("/sources/{code}", responses=problems(NotFound))
async def get_source(code: Annotated[SourceCode, Path()], call: Annotated[Call, requires("sources:read")]) -> SourceOut:
    """One source."""
    return SourceOut.model_validate(await usecases.get_source(call.tx, code))
