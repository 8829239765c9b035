"""What a start may meet: a server that is not there yet is waited for, what only a person can mend is told in one line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import structlog
from aiokafka import errors as kafka
from asyncpg import exceptions as pg

from shared.auth.failures import Misconfigured
from shared.db.failures import is_away
from shared.db.migrating import UnknownSchema
from shared.runtime import secret_files
from shared.runtime.serving import PortInUse
from shared.runtime.settings import Settings
from shared.runtime.topics import DifferentTopic

T = TypeVar("T")

_SAID_BY_ITSELF = (Misconfigured, PortInUse, DifferentTopic, UnknownSchema)
_DENIED_BY_KAFKA = (
    kafka.AuthenticationFailedError,
    kafka.SaslAuthenticationFailed,
    kafka.UnsupportedSaslMechanismError,
    kafka.ClusterAuthorizationFailedError,
    kafka.TopicAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
)

log = structlog.get_logger()


def reason(error: BaseException, settings: Settings) -> str | None:
    """One line on what a person has to mend, if the error or one of its causes is of that kind; else None. It holds no secret."""
    for each in _causes(error):
        if isinstance(each, _SAID_BY_ITSELF):
            return str(each)
        told = _of_database(each, settings) or _of_kafka(each, settings)
        if told:
            return told
    return None


async def until_reached(attempt: Callable[[], Awaitable[T]], settings: Settings, *, pause: float = 1.0, seconds: float = float("inf")) -> T:
    """What the attempt returns; it is made again, with that pause, while a server is away.

    Raises its error at once if waiting does not mend it, and the last one after so many seconds.
    """
    until = time.monotonic() + seconds
    said: type[Exception] | None = None
    while True:
        try:
            return await attempt()
        except Exception as error:
            if not may_pass(error, settings) or time.monotonic() > until:
                raise
            if said is not type(error):
                said = type(error)
                log.warning("waiting", reason=f"{said.__name__}: {error}")
        await asyncio.sleep(pause)


def may_pass(error: Exception, settings: Settings) -> bool:
    """Whether the error says that a server is away or still gathering itself, so that waiting may help."""
    if isinstance(error, kafka.InvalidReplicationFactorError):  # brokers register one after the other
        return True
    return reason(error, settings) is None and (is_away(error) or isinstance(error, kafka.KafkaError | OSError))


def _of_database(error: BaseException, settings: Settings) -> str | None:
    url = settings.database
    at = f"PostgreSQL at {url.host}:{url.port or 5432}"
    if isinstance(error, pg.InvalidPasswordError):
        file = secret_files.folder() / "baton_database_password"
        ways = f"give the role's own in BATON_DATABASE_PASSWORD or {file}, or set the role's to this one by ALTER ROLE {url.username}"
        return f"{at} does not accept user {url.username} with the given password: {ways}"
    if isinstance(error, pg.InvalidAuthorizationSpecificationError):
        return f"{at} does not admit user {url.username} ({error.args[0]}): create the role, or let it in by pg_hba.conf"
    if isinstance(error, pg.InvalidCatalogNameError):
        return f"{at} has no database {url.database}: create it with {url.username} as its owner, or name another in BATON_DATABASE_URL"
    if isinstance(error, pg.InsufficientPrivilegeError):
        ways = f"make the user the owner of the database (ALTER DATABASE {url.database} OWNER TO {url.username}) and its tables"
        return f"{at} denies user {url.username} a right in database {url.database} ({error.args[0]}): {ways}"
    return None


def _of_kafka(error: BaseException, settings: Settings) -> str | None:
    if isinstance(error, _DENIED_BY_KAFKA):
        return f"Kafka at {settings.kafka} denies this service a right ({type(error).__name__}, {error}): grant it in the ACLs"
    if isinstance(error, kafka.InvalidReplicationFactorError):
        wanted = settings.replication
        return f"Kafka at {settings.kafka} has too few brokers for BATON_REPLICATION={wanted} ({error}): start more of them, or lower it"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
