"""The words of the published names: of fields, parameters and enumeration values, in events and over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.contract import documents

GLOSSARY = documents.ROOT / "docs" / "glossary.md"


def published() -> dict[str, str]:
    """Every published name, with one place where it stands."""
    found: dict[str, str] = {}
    for event_class in documents.events():
        schema = documents.schema_of(event_class)
        for name in _names(schema):
            found.setdefault(name, schema["$id"])
    for service_name, service in documents.services().items():
        for name in _names(documents.openapi(service)):
            found.setdefault(name, f"the API of {service_name}")
    return found


def explained(text: str) -> set[str]:
    """What a glossary explains: bold terms, values in code type under the last heading, and the words that those are made of."""
    terms = re.findall(r"\*\*([^*]+)\*\*", text) + re.findall(r"`([a-z_]+)`", text.partition("\n## Values\n")[2])
    return {word.lower() for term in terms for word in (term, *pieces(term))}


def pieces(name: str) -> list[str]:
    """The words of a name: `first_response_at` → first, response, at."""
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def unexplained(names: dict[str, str], glossary: str) -> dict[str, list[str]]:
    """Name to its words that the glossary does not explain. A word counts in the singular, too."""
    known = explained(glossary)
    found = {name: [word for word in pieces(name) if not _singulars(word) & known] for name in names}
    return {name: words for name, words in found.items() if words and name.lower() not in known}


def _singulars(word: str) -> set[str]:
    return {word, word.removesuffix("s"), re.sub("ies$", "y", word)}


def _names(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for inner in part:
            yield from _names(inner)
    elif isinstance(part, dict):
        for name, inner in part.items():
            if name == "properties" and isinstance(inner, dict):
                yield from inner
            if name == "enum" and isinstance(inner, list):
                yield from (str(value) for value in inner)
            if name == "const":
                yield str(inner)
            if name == "parameters" and isinstance(inner, list):
                yield from (parameter["name"] for parameter in inner if parameter["in"] != "header")
            yield from _names(inner)
