"""Why a request or an event is refused: a few kinds, each refusal a fact named by its class.

Refusal
├── NotFound      the thing does not exist, or the caller may not see it
├── NotKnownYet   another service mints the id and has not told us yet: try again later
├── Conflict      the state forbids it
├── Stale         the caller has seen an older version
├── Invalid       the content is wrong; names the fields
├── Forbidden     the caller may not do this
└── Unavailable   something that is needed is away; nothing happened
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One field at fault. `field` is a JSON pointer into the body, or a query parameter's name."""

    code: str
    field: str
    message: str
    details: dict[str, str | int] | None = None


class Refusal(Exception):  # noqa: N818  a refusal is an answer, not a defect
    """The root. A subclass's docstring is what the caller reads; `data` are ids and states, never contact data or free text."""

    code: ClassVar[str] = "REFUSAL"

    def __init__(self, errors: Sequence[FieldError] = (), **data: object) -> None:
        super().__init__(self.code)
        self.errors = tuple(errors)
        self.data = {name: _plain(value) for name, value in data.items()}

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.code = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).upper()

    @property
    def detail(self) -> str:
        """The fact in a sentence: the first line of the class's docstring."""
        return (type(self).__doc__ or self.code).strip().splitlines()[0]


class NotFound(Refusal):
    """There is no such thing here."""


class NotKnownYet(Refusal):
    """The id belongs to another service, which has not announced it here yet; try again in a moment."""


class Conflict(Refusal):
    """The present state does not allow this."""


class Stale(Refusal):
    """The object has changed since it was read."""


class Invalid(Refusal):
    """The content is not valid."""

    @classmethod
    def at(cls, field: str, code: str, message: str, **details: str | int) -> Invalid:
        """One field at fault: JSON pointer, code, sentence (which never repeats the value)."""
        return cls(errors=[FieldError(code=code, field=field, message=message, details=details or None)])


class Forbidden(Refusal):
    """The caller may not do this."""


class Unavailable(Refusal):
    """Something that is needed is away for the moment; nothing has happened."""


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int | None) else str(value)
