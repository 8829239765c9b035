"""What makes a service: its name, its tables, its routes, and what it listens to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from sqlalchemy import MetaData

from shared.db.transaction import Transaction
from shared.inbox.handlers import Handlers

OnStart = Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything that differs from one service to the next. `on_start` runs whenever a worker starts."""

    name: str
    metadata: MetaData
    routers: Sequence[APIRouter]
    handlers: Handlers
    folder: Path
    on_start: OnStart | None = None

    @property
    def listens_to(self) -> Mapping[type[Any], Sequence[Any]]:
        """Event classes and their handlers."""
        return self.handlers
