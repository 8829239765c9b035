"""A process's settings: from the environment (prefix BATON_), and secrets from files too; where both give one, the environment counts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pydantic
from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from shared.auth.tokens import TrustedIssuer
from shared.inbox import parking
from shared.outbox import retention
from shared.runtime import secret_files, topics

PREFIX = "BATON_"
PASSWORD_LENGTH = 16
CURSOR_SECRET_LENGTH = 32


class Refused(Exception):  # noqa: N818  a fact about the installation
    """Settings with which no process starts: each of `reasons` names a variable or file and never what stands in it."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Settings(BaseSettings):
    """One process of one service. Nothing secret has a default."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    env: Literal["local", "demo", "production"] = "production"
    database_url: SecretStr
    database_password: Annotated[SecretStr | None, Field(validate_default=True)] = None
    """Of the role that `database_url` names, for an address without a password."""
    kafka: Annotated[str, Field(min_length=3)]
    topic_prefix: Annotated[str, Field(pattern=r"^[a-z0-9.-]{0,16}$")] = ""
    replication: Annotated[int, Field(ge=1)] = 1
    """Copies of each topic partition; 1 (one broker) also flushes every record."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    internal_port: Annotated[int, Field(ge=0, le=65535)] = 9000
    issuers: Annotated[tuple[TrustedIssuer, ...], Field(min_length=1)]
    revoked_file: Path | None = None
    cursor_secret: SecretStr
    outbox_days: Annotated[int, Field(le=3650)] = retention.OUTBOX_DAYS
    """How long a published event can be sent again, at least as long as the topics keep it."""
    inbox_days: Annotated[int, Field(le=3650, validate_default=True)] = retention.INBOX_DAYS
    """How long a copy of an event is known, longer than it can be sent again."""
    max_held_keys: Annotated[int, Field(ge=1)] = parking.MAX_HELD_KEYS
    """With more keys held by parked events the service stops reading."""
    prepare: bool = False
    """A role first does the jobs `migrate` and `provision`, where they are due: for a machine on which nobody runs them."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def database(self) -> URL:
        """The database's address with the password of its role. Never to be printed as it is: `dsn` is its text."""
        url = make_url(self.database_url.get_secret_value())
        return url if self.database_password is None else url.set(password=self.database_password.get_secret_value())

    @property
    def dsn(self) -> str:
        """The database's address as text, with the password in it: for the driver alone."""
        return self.database.render_as_string(hide_password=False)

    @field_validator("database_url")
    @classmethod
    def _is_asyncpg(cls, secret: SecretStr) -> SecretStr:
        try:
            url = make_url(secret.get_secret_value())
        except (ArgumentError, ValueError):  # their text may hold the password
            url = None
        if url is None or url.drivername != "postgresql+asyncpg" or not (url.username and url.host and url.database):
            raise ValueError("the address has the form postgresql+asyncpg://user@host:port/database")
        return secret

    @field_validator("database_password")
    @classmethod
    def _is_there_once_and_long(cls, secret: SecretStr | None, given: ValidationInfo) -> SecretStr | None:
        if "database_url" not in given.data:
            return secret
        in_url = make_url(given.data["database_url"].get_secret_value()).password
        if secret is not None and in_url:
            raise ValueError("BATON_DATABASE_URL holds a password too: give it in one place")
        if secret is None and not in_url:
            raise PydanticCustomError("missing", "the role of BATON_DATABASE_URL has no password")
        password = in_url if secret is None else secret.get_secret_value()
        if len(str(password)) < PASSWORD_LENGTH and (secret is not None or given.data.get("env") != "local"):
            raise ValueError(f"the password of the database has at least {PASSWORD_LENGTH} characters: choose another, for its role too")
        return secret

    @field_validator("inbox_days")
    @classmethod
    def _outlasts_the_outbox(cls, days: int, given: ValidationInfo) -> int:
        if "outbox_days" in given.data:
            retention.require_order(topics.DAYS, given.data["outbox_days"], days)
        return days

    @field_validator("cursor_secret")
    @classmethod
    def _is_long(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < CURSOR_SECRET_LENGTH:
            raise ValueError(f"at least {CURSOR_SECRET_LENGTH} characters, chosen by chance")
        return secret


def read() -> Settings:
    """The settings of this process. Raises Refused with everything found wrong; files first, since what they hold is not known then."""
    folder = secret_files.folder()
    faults = secret_files.refusals(folder, {_name(field).lower() for field in Settings.model_fields})
    if faults:
        raise Refused(faults)
    try:
        return Settings(_secrets_dir=folder if folder.exists() else None)  # type: ignore[call-arg]  its sources give the fields
    except pydantic.ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        raise Refused([_reason(str(one["loc"][0]), one["type"], one["msg"], folder) for one in found]) from None
    except SettingsError as error:  # the message names the field, never the value
        named = re.search(r'"(\w+)"', str(error))
        raise Refused([f"{_source(named[1], folder) if named else PREFIX}: not valid JSON"]) from None


def _reason(field: str, kind: str, message: str, folder: Path) -> str:
    if kind != "missing":
        return f"{_source(field, folder)}: {message.removeprefix('Value error, ')}"
    if not _is_secret(field):
        return f"{_name(field)}: not set"
    return f"{_name(field)}: not set, and there is no file {folder / _name(field).lower()}: give one of the two"


def _source(field: str, folder: Path) -> str:
    """The variable or file that gave the field its value."""
    file = folder / _name(field).lower()
    given = any(name.upper() == _name(field) for name in os.environ)
    return str(file) if not given and file.exists() else _name(field)


def _name(field: str) -> str:
    return f"{PREFIX}{field}".upper()


def _is_secret(field: str) -> bool:
    annotation: Any = Settings.model_fields[field].annotation
    return SecretStr in (annotation, *get_args(annotation))
