"""Column types: instants, PostgreSQL's transaction ids, and JSON that comes out as what it is."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import DateTime, Dialect
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, UserDefinedType


class Instant(TypeDecorator[Any]):
    """An aware time (timestamptz)."""

    impl = DateTime(timezone=True)
    cache_ok = True


class Xid8(UserDefinedType[Any]):
    """A 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class Snapshot(UserDefinedType[Any]):
    """Which transactions are visible."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "pg_snapshot"


class Json(TypeDecorator[Any]):
    """JSONB that is written from, and read back as, a Python type: `Json(tuple[Line, ...])`."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def __init__(self, of: Any) -> None:
        super().__init__()
        self.of = of
        self._adapter: TypeAdapter[Any] = TypeAdapter(of)

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002  SQLAlchemy's signature
        # Straight to the text that is sent: with a value in between, every JSON column would be built twice.
        write = self._adapter.dump_json
        return lambda value: None if value is None else write(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002  SQLAlchemy's signature
        # What a later version of an event brought was stored, so it is read as openly as it came.
        return None if value is None else self._adapter.validate_python(value, context="open")
