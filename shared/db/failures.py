"""Which database errors pass by themselves, and which name a value or row that can never be stored."""

from __future__ import annotations

from asyncpg import exceptions as pg
from asyncpg.exceptions._base import DataError as UnsendableValue
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

PASSING = (
    OSError,
    TimeoutError,
    pg.InterfaceError,
    pg.InternalClientError,  # what the driver says when the server ends between two of its messages
    pg.PostgresConnectionError,
    pg.OperatorInterventionError,
    pg.InsufficientResourcesError,
    pg.InvalidAuthorizationSpecificationError,
    pg.DeadlockDetectedError,
    pg.SerializationError,
    pg.LockNotAvailableError,
    pg.IdleInTransactionSessionTimeoutError,
)
"""What the driver raises where trying again may help."""


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database is away, overloaded or interrupted, rather than that a statement is wrong."""
    if isinstance(error, PoolTimeout):
        return True
    if is_unstorable(error):
        return False
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(_driver_error(error), PASSING)
    return isinstance(error, PASSING)


def is_unstorable(error: BaseException) -> bool:
    """Whether a value does not fit its column: a number out of range, a time before the year 1, a NUL in a text."""
    # The driver counts a value that it cannot send among the errors of its interface, SQLAlchemy among no kind at all.
    return isinstance(_driver_error(error), pg.DataError | UnsendableValue)


def is_duplicate(error: BaseException) -> bool:
    """Whether a row with this key exists already, as when two create the same thing at once."""
    return isinstance(error, IntegrityError) and isinstance(_driver_error(error), pg.UniqueViolationError)


def _driver_error(error: BaseException) -> BaseException | None:
    if not isinstance(error, DBAPIError):
        return error
    return error.orig.__cause__ if error.orig is not None else None
