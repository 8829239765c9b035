"""Which database errors pass by themselves."""

from __future__ import annotations

from asyncpg import exceptions as pg
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_PASSING = (
    OSError,
    TimeoutError,
    pg.InterfaceError,
    pg.PostgresConnectionError,
    pg.OperatorInterventionError,
    pg.InsufficientResourcesError,
    pg.InvalidAuthorizationSpecificationError,
    pg.DeadlockDetectedError,
    pg.SerializationError,
    pg.LockNotAvailableError,
    pg.IdleInTransactionSessionTimeoutError,
)


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database is away, overloaded or interrupted, rather than that a statement is wrong."""
    if isinstance(error, PoolTimeout):
        return True
    if isinstance(error, DBAPIError):
        driver = error.orig.__cause__ if error.orig is not None else None
        return error.connection_invalidated or isinstance(driver, _PASSING)
    return isinstance(error, _PASSING)


def is_duplicate(error: BaseException) -> bool:
    """Whether a row with this key exists already, as when two create the same thing at once."""
    return isinstance(error, IntegrityError) and error.orig is not None and isinstance(error.orig.__cause__, pg.UniqueViolationError)
