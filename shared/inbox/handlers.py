"""What a service does with an event: use cases that take a batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from shared.db.transaction import Transaction

Handler = Callable[[Transaction, Sequence[Any]], Awaitable[None]]
"""`async def note_leads(tx, received: Sequence[Received[LeadGenerated]]) -> None`"""

Handlers = Mapping[type[Any], Sequence[Handler]]
"""Event class to its effects, one line each."""
