"""Many items in one transaction: all at once, or one by one when the database refuses one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError

from shared.db.failures import is_unstorable
from shared.db.transaction import Transaction
from shared.errors import Conflict, Refusal

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class RefusedByDatabase(Conflict):
    """The database's own rules refuse this item."""


async def all_or_each(
    tx: Transaction,
    items: Sequence[Item],
    apply: Callable[[Sequence[Item]], Awaitable[list[Outcome]]],
    *,
    failed: Callable[[Item, Refusal], Outcome],
) -> list[Outcome]:
    """One outcome per item, in their order. `apply` decides and saves a list set-based; refusals of the domain are outcomes of its own.

    A database error undoes the attempt and every item is applied alone, so that only the one at fault fails.
    """
    try:
        async with tx.savepoint():
            return await apply(items)
    except DBAPIError as error:
        if not _is_refusal(error):
            raise
    outcomes: list[Outcome] = []
    for item in items:
        try:
            async with tx.savepoint():
                outcomes += await apply([item])
        except DBAPIError as error:
            if not _is_refusal(error):
                raise
            outcomes.append(failed(item, RefusedByDatabase()))
    return outcomes


def _is_refusal(error: DBAPIError) -> bool:
    return isinstance(error, IntegrityError) or is_unstorable(error)
