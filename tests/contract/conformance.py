"""The part of JSON Schema 2020-12 that the stored schemas use, read strictly: an unknown keyword is an error, not a pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

_NOTES = frozenset({"$schema", "$id", "$defs", "title", "description", "x-extensible-enum"})
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "null": lambda value: value is None,
}
_FORMATS: Mapping[str, Callable[[str], Any]] = {"uuid": UUID, "date": date.fromisoformat, "date-time": datetime.fromisoformat}


def faults(schema: Mapping[str, Any], value: Any) -> list[str]:
    """Where a value breaks its schema; empty if it conforms. KeyError for a keyword, type or format that is not known here."""
    return list(_faults(schema, value, schema.get("$defs", {}), ""))


def _faults(schema: Mapping[str, Any], value: Any, definitions: Mapping[str, Any], at: str) -> Iterator[str]:
    for keyword, wanted in schema.items():
        if keyword == "$ref":
            yield from _faults(definitions[wanted.rpartition("/")[2]], value, definitions, at)
        elif keyword == "anyOf":
            if all(list(_faults(choice, value, definitions, at)) for choice in wanted):
                yield f"{at}: none of the choices"
        elif keyword == "properties":
            for name in wanted.keys() & value.keys() if isinstance(value, dict) else ():
                yield from _faults(wanted[name], value[name], definitions, f"{at}/{name}")
        elif keyword == "items":
            for place, item in enumerate(value if isinstance(value, list) else ()):
                yield from _faults(wanted, item, definitions, f"{at}/{place}")
        elif keyword not in _NOTES and not _CHECKS[keyword](wanted, value, schema):
            yield f"{at}: {keyword}"


def _format(wanted: str, value: Any) -> bool:
    try:
        _FORMATS[wanted](value)
    except (ValueError, TypeError, AttributeError):
        return False
    return True


_CHECKS: Mapping[str, Callable[[Any, Any, Mapping[str, Any]], bool]] = {
    "type": lambda wanted, value, _: _TYPES[wanted](value),
    "enum": lambda wanted, value, _: value in wanted,
    "required": lambda wanted, value, _: not isinstance(value, dict) or set(wanted) <= value.keys(),
    "additionalProperties": lambda _, value, schema: not isinstance(value, dict) or value.keys() <= schema["properties"].keys(),
    "maxItems": lambda wanted, value, _: not isinstance(value, list) or len(value) <= wanted,
    "minLength": lambda wanted, value, _: not isinstance(value, str) or len(value) >= wanted,
    "maxLength": lambda wanted, value, _: not isinstance(value, str) or len(value) <= wanted,
    "pattern": lambda wanted, value, _: not isinstance(value, str) or re.search(wanted, value) is not None,
    "format": lambda wanted, value, _: not isinstance(value, str) or _format(wanted, value),
}
