"""A source is a system that sends leads. Its zone says on which day something happened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from shared.errors import Conflict


class SourceInUse(Conflict):
    """The time zone of a source is fixed with its first lead: the days already counted would move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A registered sender. `time_zone`: IANA name. `in_use`: it has sent a lead."""

    code: str
    name: str
    time_zone: str
    recorded_at: datetime
    in_use: bool = False
    version: int = 0


def amend(source: Source, *, name: str, time_zone: str) -> Source:
    """The source under a new name or, as long as it has sent nothing, in another zone. SourceInUse otherwise."""
    if source.in_use and time_zone != source.time_zone:
        raise SourceInUse(source=source.code)
    return replace(source, name=name, time_zone=time_zone)
