"""What a check finds: how much it looked at, and each thing that must not be. Comparison of values that were written in different ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID


@dataclass(slots=True, kw_only=True)
class Judged:
    """One invariant after its check. `asked` is false where nothing in this run calls for it."""

    name: str
    checked: int = 0
    found: list[str] = field(default_factory=list)
    asked: bool = True

    def expect(self, holds: bool, otherwise: str) -> None:
        """Counts a case, and notes it if it does not hold."""
        self.checked += 1
        if not holds:
            self.found.append(otherwise)

    def add(self, *others: Judged) -> Judged:
        """The same with what others looked at and found."""
        for other in others:
            self.checked += other.checked
            self.found += other.found
        return self


def text(value: Any) -> str:
    """A key as text: the same for a UUID and the text of it."""
    return str(value).lower() if isinstance(value, UUID) else str(value)


def same(left: Any, right: Any) -> bool:
    """Whether two values say the same: times in any zone or notation, numbers with any number of zeros, absent members as null."""
    if type(left) is type(right) and left == right:
        return True
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return all(same(left.get(name), right.get(name)) for name in {*left, *right})
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if text(left).lower() == text(right).lower():
        return True
    numbers = _number(left), _number(right)
    if None not in numbers:
        return numbers[0] == numbers[1]
    times = _instant(left), _instant(right)
    return None not in times and times[0] == times[1]


def differences(expected: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """The columns in which a row does not say what is expected; values are not shown, they may be long."""
    return [name for name, value in expected.items() if not same(value, row.get(name))]


def some(found: Iterable[object], most: int = 20) -> str:
    """A list for a sentence, cut where nobody would read on."""
    listed = [str(each) for each in found]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _number(value: Any) -> Decimal | None:
    if not isinstance(value, str | int | float | Decimal) or (isinstance(value, str) and value[:24].strip("+-0123456789.")):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _instant(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, date) or not isinstance(value, str) or len(value) > 40:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo else None
