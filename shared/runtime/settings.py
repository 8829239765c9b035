"""A process's settings, from the environment (prefix BATON_)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.auth.tokens import TrustedIssuer


class Settings(BaseSettings):
    """One process of one service. Nothing secret has a default."""

    model_config = SettingsConfigDict(env_prefix="BATON_", frozen=True)

    env: Literal["local", "demo", "production"] = "production"
    database_url: SecretStr
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
    prepare: bool = False
    """A role first does the jobs `migrate` and `provision`, where they are due: for a machine on which nobody runs them."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("database_url")
    @classmethod
    def _is_asyncpg(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith("postgresql+asyncpg://"):
            raise ValueError("the address begins with postgresql+asyncpg://")
        return url

    @field_validator("cursor_secret")
    @classmethod
    def _is_long(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < 32:
            raise ValueError("at least 32 characters")
        return secret
