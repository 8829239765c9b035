"""Lists are read page by page with an opaque cursor: signed, and bound to filters, order and caller."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import BaseModel

from shared.http.requests import Refused

T = TypeVar("T")
Row = TypeVar("Row")

DEFAULT_SIZE = 50
MAX_SIZE = 200


class Page(BaseModel, Generic[T]):
    """A part of a list. No `next`: this was the last one."""

    items: list[T]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for: at most `limit` rows after the position (recorded_at, id), the first page if it is None."""

    after: tuple[datetime, UUID] | None
    limit: int
    _seal: Callable[[bytes], bytes]

    def answer(self, rows: Sequence[Row], *, key: Callable[[Row], tuple[datetime, UUID]], out: Callable[[Row], T]) -> Page[T]:
        """The page of `limit + 1` fetched rows; the last one only tells that there is more."""
        shown = rows[: self.limit]
        return Page(items=[out(row) for row in shown], next=self.next(rows, key=key))

    def next(self, rows: Sequence[Row], *, key: Callable[[Row], tuple[datetime, UUID]]) -> str | None:
        """The cursor behind the page, None if these were the last rows."""
        if len(rows) <= self.limit:
            return None
        at, identity = key(rows[self.limit - 1])
        position = f"{at.isoformat()}|{identity}".encode()
        return _text(self._seal(position) + position)


def page_request(*, max_size: int = MAX_SIZE) -> Any:
    """Declares `cursor` and `page_size` (reduced to `max_size`; zero and less are refused)."""

    def read(
        request: Request,
        cursor: Annotated[str | None, Query(max_length=512)] = None,
        page_size: Annotated[int, Query(ge=1)] = DEFAULT_SIZE,
    ) -> PageRequest:
        def seal(position: bytes) -> bytes:
            return _seal(request, position)

        return PageRequest(_position(cursor, seal), min(page_size, max_size), seal)

    return Depends(read)


def _seal(request: Request, position: bytes) -> bytes:
    filters = sorted((k, v) for k, v in request.query_params.multi_items() if k not in {"cursor", "page_size"})
    principal = request.scope["baton.call"].principal
    bound = repr((request.url.path, filters, principal.issuer, principal.subject)).encode()
    secret: bytes = request.app.state.edge.cursor_secret
    return hmac.digest(secret, bound + b"\0" + position, hashlib.sha256)[:16]


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _position(cursor: str | None, seal: Callable[[bytes], bytes]) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    try:
        plain = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        if _text(plain) != cursor:  # the last character has bits that mean nothing
            raise ValueError
        at, _, identity = plain[16:].decode().partition("|")
        if not hmac.compare_digest(plain[:16], seal(plain[16:])):
            raise ValueError
        return datetime.fromisoformat(at), UUID(identity)
    except ValueError:
        raise Refused(400, "INVALID_CURSOR", "This cursor does not belong to this list.") from None
