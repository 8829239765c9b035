"""Which errors pass by themselves: whoever mistakes one kind for another retries for ever, or gives up too early."""

from __future__ import annotations

import asyncpg
import pytest
from asyncpg.exceptions import _base
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.db.failures import is_away, is_duplicate, is_unstorable


def raised(driver: BaseException, kind: type[DBAPIError] = DBAPIError) -> DBAPIError:
    """As SQLAlchemy wraps an error of the driver."""
    original = Exception("wrapped")
    original.__cause__ = driver
    return kind("SELECT 1", {}, original)


AWAY = [
    OSError(),
    TimeoutError(),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 12"),
    asyncpg.ConnectionDoesNotExistError(),
    asyncpg.CannotConnectNowError(),
    asyncpg.AdminShutdownError(),
    asyncpg.QueryCanceledError(),
    asyncpg.TooManyConnectionsError(),
    asyncpg.DiskFullError(),
    asyncpg.DeadlockDetectedError(),
    asyncpg.SerializationError(),
    asyncpg.LockNotAvailableError(),
]
UNSTORABLE = [asyncpg.CharacterNotInRepertoireError(), asyncpg.NumericValueOutOfRangeError(), _base.DataError("out of int32 range")]
DEFECTS = [asyncpg.UndefinedTableError(), asyncpg.PostgresSyntaxError(), ValueError(), KeyError()]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_a_database_that_is_away_or_busy_comes_back(error: Exception) -> None:
    assert is_away(error)
    assert is_away(raised(error))
    assert not is_unstorable(raised(error))


@pytest.mark.parametrize("error", UNSTORABLE, ids=lambda error: type(error).__name__)
def test_a_value_that_does_not_fit_never_will(error: Exception) -> None:
    assert is_unstorable(raised(error))
    assert not is_away(raised(error))
    assert not is_away(error)


@pytest.mark.parametrize("error", DEFECTS, ids=lambda error: type(error).__name__)
def test_a_defect_is_neither(error: Exception) -> None:
    assert not is_away(raised(error))
    assert not is_unstorable(raised(error))


def test_an_exhausted_pool_and_a_lost_connection_pass() -> None:
    assert is_away(PoolTimeout())
    assert is_away(DBAPIError("SELECT 1", {}, Exception(), connection_invalidated=True))


def test_only_a_second_row_of_a_key_is_a_duplicate() -> None:
    assert is_duplicate(raised(asyncpg.UniqueViolationError(), IntegrityError))
    assert not is_duplicate(raised(asyncpg.ForeignKeyViolationError(), IntegrityError))
    assert not is_duplicate(raised(asyncpg.CheckViolationError(), IntegrityError))
    assert not is_duplicate(IntegrityError("INSERT", {}, None))  # type: ignore[arg-type]
