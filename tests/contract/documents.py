"""What others may rely on, as documents: a schema and examples per event, their catalogue, an OpenAPI document per service."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from shared.events import language
from shared.http import app as public
from shared.outbox import writing
from shared.runtime.service import Service
from tests import kit
from tests.contract.examples import EXAMPLES

ROOT = Path(__file__).parents[2]
DIALECT = "https://json-schema.org/draft/2020-12/schema"

FIRST_VERSION: Mapping[str, frozenset[str]] = {
    "order-delivered": frozenset({"satisfaction_score", "exception_codes"}),
    "order-promised": frozenset({"blockers.owner_role"}),
    "order-shipped": frozenset({"carrier_code"}),
    "lead-disqualified": frozenset({"disqualifier_rule_codes"}),
    "lead-qualified": frozenset(
        {
            "decision.override_reason_code",
            "lead.routing_suggestion.queue_code",
            "lead.routing_suggestion.campaign_intent",
            "clock.policy_code",
        }
    ),
    "lead-routed": frozenset({"candidate_count", "policy_code"}),
    "lead-generated": frozenset({"lead.time_zone", "lead.routing_suggestion.campaign_intent"}),
    "deal-closed": frozenset(
        {
            "owner_role",
            "rep_credits.role",
            "won.credit_override_reason_code",
            "won.payment_terms_code",
            "won.win_reason_codes",
            "lines.ship_to_country",
            "lines.delivery_preference_codes",
        }
    ),
    "lead-rejected": frozenset({"touch_count"}),
    "opportunity-stage-changed": frozenset({"need_codes"}),
}
"""Codes and counts that nobody reads yet: they tell of the moment of the fact and could not be added to old records later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOf:
    """A field of an event. `path` leads to it through structures and lists; `kind` is what fixes it from the first version, if anything."""

    path: str
    type: str
    kind: str | None


@cache
def services() -> Mapping[str, Service]:
    """The services by name."""
    found = sorted(path.parent.name for path in (ROOT / "services").glob("*/app.py"))
    return {name: importlib.import_module(f"services.{name}.app").SERVICE for name in found}


@cache
def events() -> Sequence[type[Any]]:
    """Every event of the published language, by producer, then name."""
    language.load()
    return sorted(language.declared(), key=lambda cls: (language.type_of(cls).producer, language.type_of(cls).name))


def consumers(event_class: type[Any]) -> list[str]:
    """The services that have a handler for an event."""
    return [name for name, service in services().items() if event_class in service.handlers]


def schema_of(event_class: type[Any]) -> dict[str, Any]:
    """The closed JSON Schema: what the producer writes, no field more and none missing."""
    kind = language.type_of(event_class)
    generated = _closed(language.adapter(event_class).json_schema(mode="serialization"))
    return {"$schema": DIALECT, "$id": f"urn:baton:schema:{kind.name}:{kind.version}", **generated}


def fields_of(event_class: type[Any]) -> list[FieldOf]:
    """Every field of an event, those of nested objects included."""
    schema = schema_of(event_class)
    return list(_fields(schema, schema.get("$defs", {}), ""))


def readers(event_class: type[Any], path: str) -> list[str]:
    """Files of consuming services that read the field: they import the event (or a part of it) and ask for that name."""
    asked = re.compile(rf"\.{path.rpartition('.')[2]}\b")
    wanted = "|".join(re.escape(module) for module in sorted(_modules_of(event_class)))
    imported = re.compile(rf"^from (?:{wanted}) import ", re.MULTILINE)
    return [
        name
        for service in consumers(event_class)
        for name, text in _sources(service).items()
        if imported.search(text) and asked.search(text)
    ]


def example_files(event_class: type[Any]) -> dict[str, str]:
    """File name to text of the stored examples of an event."""
    kind = language.type_of(event_class)
    return {f"{name}.json": _json(json.loads(language.write(event))) for name, event in EXAMPLES[kind.name].items()}


def openapi(service: Service) -> dict[str, Any]:
    """The OpenAPI document of a service."""
    return public.build(service.name, service.routers, None).openapi()


def documents() -> dict[str, str]:
    """Path (from the root of the repository) to text of every generated document."""
    found = {"docs/events/README.md": catalogue()}
    for event_class in events():
        kind = language.type_of(event_class)
        folder = f"docs/events/{kind.name}/{kind.version}"
        found[f"{folder}/schema.json"] = _json(schema_of(event_class))
        found |= {f"{folder}/{name}": text for name, text in example_files(event_class).items()}
    return found | {f"docs/api/{name}.json": _json(openapi(service)) for name, service in services().items()}


def stale(root: Path) -> list[str]:
    """What is written under docs/events and docs/api and differs from what is generated, is missing, or is too much."""
    generated = documents()
    written = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for folder in ("docs/events", "docs/api")
        for path in (root / folder).rglob("*")
        if path.is_file()
    }
    return sorted(path for path in generated.keys() | written.keys() if generated.get(path) != written.get(path))


def catalogue() -> str:
    """docs/events/README.md."""
    overview = [
        f"| [{kind.name}](#{kind.name}) | {kind.version} | {kind.producer} | {', '.join(consumers(cls)) or 'none yet'} "
        f"| `{kind.subject}` | `{kind.key}` |"
        for cls in events()
        for kind in [language.type_of(cls)]
    ]
    head = _HEAD.format(overview="\n".join(overview), headers="\n".join(_headers()))
    return head + "".join(_chapter(event_class) for event_class in events())


_HEAD = """# Events

This catalogue is generated from `shared/events`, the services' `handlers.py` and their code by `make contracts`, and compared in the tests.

An event is a record on the topic of its name: CloudEvents 1.0 in binary mode, JSON as data. The key decides the partition, the subject
is the thing whose facts `ce_aggregatesequence` numbers 1, 2, 3 … over all topics. A producer writes by the closed schema beside each
example. A consumer reads openly: it ignores fields that it does not know and takes any text where the schema says `x-extensible-enum`.

| event | version | producer | consumers | subject | key |
|---|---|---|---|---|---|
{overview}

Headers of every record:

| header | of the example |
|---|---|
{headers}

A field enters an event with the consumer that reads it. Fixed from the first version, read or not, are *structure* (objects and lists
of them), *ids* (with the numbers and versions that identify), *times* (days included), *status* (enumerations, and what is answered by
yes or no) and *money* (with the quantities and shares it is computed from). The last column names the readers, else that reason.
`first version` marks the few codes and counts that nobody reads yet: they tell of the moment of the fact and could not be added to old
records later.
"""


def _chapter(event_class: type[Any]) -> str:
    kind = language.type_of(event_class)
    told = " ".join((event_class.__doc__ or "").split())
    files = ", ".join(f"[{name}]({kind.name}/{kind.version}/{name})" for name in ["schema.json", *example_files(event_class)])
    rows = [
        f"| `{field.path}` | {field.type} | {', '.join(readers(event_class, field.path)) or field.kind or 'first version'} |"
        for field in fields_of(event_class)
    ]
    return "\n".join([f"\n## {kind.name}\n", told, "", files, "", "| field | type | read by, or fixed as |", "|---|---|---|", *rows, ""])


def _headers() -> Iterator[str]:
    event = EXAMPLES["lead-accepted"]["example"]
    kind = language.type_of(type(event))
    outgoing = writing.Outgoing(event, kit.cause(), kit.NOON)
    generated = {
        "ce_id": "UUIDv7 of the record",
        "ce_correlationid": "UUID of the whole exchange",
        "ce_causationid": "UUID of what it answers",
    }
    for name, value in writing._headers(outgoing, kind, event.lead_id, event.lead_id, 7):
        yield f"| `{name}` | {generated.get(name, value)} |"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _closed(schema: Any) -> Any:
    """The schema with every object closed and every field demanded: what is written is written whole."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "object" and "properties" in schema:
        properties = {name: _closed(_untitled(part)) for name, part in schema["properties"].items()}
        rest = {name: _closed(part) for name, part in schema.items() if name not in {"properties", "required"}}
        return {**rest, "properties": properties, "required": list(properties), "additionalProperties": False}
    return {name: _closed(part) for name, part in schema.items()}


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in schema.items() if name not in {"title", "default"}}


def _fields(schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[FieldOf]:
    for name, part in schema["properties"].items():
        text, inner = _type(part, definitions)
        path = f"{prefix}{name}"
        yield FieldOf(path=path, type=text, kind=_kind(name, text))
        if inner is not None and inner.get("title") != "Money":
            yield from _fields(inner, definitions, f"{path}.")


def _type(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """A field's type in a word or two, and the object behind it."""
    if "anyOf" in part:
        found = [_type(choice, definitions) for choice in part["anyOf"] if choice.get("type") != "null"]
        optional = "?" if any(choice.get("type") == "null" for choice in part["anyOf"]) else ""
        return " or ".join(text for text, _ in found) + optional, next((inner for _, inner in found if inner), None)
    if "$ref" in part:
        inner = definitions[part["$ref"].rpartition("/")[2]]
        return ("money", inner) if inner["title"] == "Money" else ("object", inner)
    if part["type"] == "array":
        text, inner = _type(part["items"], definitions)
        return f"list of {text}", inner
    if "enum" in part:
        return "one of " + ", ".join(f"`{value}`" for value in part["enum"]), None
    return _plain_type(part), None


def _plain_type(part: Mapping[str, Any]) -> str:
    if part["type"] != "string":
        return str(part["type"])
    if "format" in part:
        return {"uuid": "id", "date-time": "time", "date": "day"}[part["format"]]
    if "pattern" in part:
        return "decimal" if "\\d" in part["pattern"] else f"text `{part['pattern']}`"
    return "code" if part.get("maxLength") == 64 else "text"


def _kind(name: str, text: str) -> str | None:
    plain = text.removeprefix("list of ").removesuffix("?")
    if plain == "object":
        return "structure"
    if plain == "id" or name.endswith(("_version", "_no", "_hash")) or name in {"version", "attempt"}:
        return "id"
    if plain in {"time", "day"}:
        return "time"
    if plain.startswith("one of") or plain == "boolean":
        return "status"
    if plain in {"money", "decimal"}:
        return "money"
    return None


def _modules_of(event_class: type[Any]) -> set[str]:
    """Modules of the event and of the dataclasses inside it."""
    found = {event_class.__module__}
    module = importlib.import_module(event_class.__module__)
    for field in dataclasses.fields(event_class):
        for word in re.findall(r"[A-Z]\w+", str(field.type)):
            inner = getattr(module, word, None)
            if isinstance(inner, type) and dataclasses.is_dataclass(inner) and inner.__module__.startswith("shared.events."):
                found |= _modules_of(inner)
    return found


@cache
def _sources(service: str) -> Mapping[str, str]:
    folder = ROOT / "services" / service
    return {path.relative_to(ROOT / "services").as_posix(): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))}
