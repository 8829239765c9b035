"""What is published: every event has a closed schema, stored examples that its consumers read, and fields that somebody needs."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from shared.auth.access import AccessTable
from shared.events import language
from tests.contract import conformance, documents
from tests.contract.examples import EXAMPLES

QUOTED = {"lead-qualified": "lead."}
"""What a producer passes on of another's event, with words that it may not know itself."""

EVENTS = documents.events()
each_event = pytest.mark.parametrize("event_class", EVENTS, ids=lambda cls: language.type_of(cls).name)


def stored(event_class: type[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The examples of an event: as the producer holds them, and as the committed files have them."""
    kind = language.type_of(event_class)
    folder = documents.ROOT / "docs" / "events" / kind.name / kind.version
    for name, example in EXAMPLES[kind.name].items():
        yield example, json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def schema(event_class: type[Any]) -> dict[str, Any]:
    """The committed schema of an event."""
    kind = language.type_of(event_class)
    return json.loads((documents.ROOT / "docs" / "events" / kind.name / kind.version / "schema.json").read_text(encoding="utf-8"))


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a value, itself included."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(part)


def opened(event_class: type[Any], value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, value with an unknown word there) for every open enumeration that the value fills."""
    for field in documents.fields_of(event_class):
        if "one of" in field.type:
            changed = copy.deepcopy(value)
            if _put(changed, field.path.split("."), "from_a_later_version"):
                yield field.path, changed


def _put(value: Any, path: list[str], word: str) -> bool:
    if isinstance(value, list):
        return max([_put(part, path, word) for part in value], default=False)
    if value is None or value.get(path[0]) in (None, []):
        return False
    if len(path) > 1:
        return _put(value[path[0]], path[1:], word)
    value[path[0]] = [word] if isinstance(value[path[0]], list) else word
    return True


def test_every_event_has_examples_and_every_example_an_event() -> None:
    assert len(EVENTS) >= 12
    assert set(EXAMPLES) == {language.type_of(cls).name for cls in EVENTS}


@each_event
def test_every_field_has_a_value_in_an_example(event_class: type[Any]) -> None:
    filled: set[str] = set()
    for _, value in stored(event_class):
        filled |= {path for path in (field.path for field in documents.fields_of(event_class)) if _filled(value, path.split("."))}
    assert {field.path for field in documents.fields_of(event_class)} - filled == set()


def _filled(value: Any, path: list[str]) -> bool:
    if isinstance(value, list):
        return any(_filled(part, path) for part in value)
    inner = None if value is None else value.get(path[0])
    return inner not in (None, []) and (len(path) == 1 or _filled(inner, path[1:]))


@each_event
def test_every_example_conforms_to_its_schema_and_nothing_else_does(event_class: type[Any]) -> None:
    closed = schema(event_class)
    for example, value in stored(event_class):
        assert conformance.faults(closed, value) == []
        assert language.read(event_class, json.dumps(value).encode()) == example
        assert conformance.faults(closed, value | {"surplus": 1})
        for name in value:
            assert conformance.faults(closed, {key: kept for key, kept in value.items() if key != name}), name
            assert conformance.faults(closed, value | {name: {"of": "another type"}}), name


@each_event
def test_the_schema_is_closed_and_bounded(event_class: type[Any]) -> None:
    for part in objects(schema(event_class)):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False
            assert set(part["required"]) == set(part["properties"])
        if part.get("type") == "array":
            assert part["maxItems"] <= 200
        if part.get("type") == "string":
            assert part.keys() & {"maxLength", "pattern", "format", "enum"}, part


@each_event
def test_every_enumeration_is_open_for_consumers_and_closed_for_the_producer(event_class: type[Any]) -> None:
    tried: set[str] = set()
    for _, value in stored(event_class):
        for path, changed in opened(event_class, value):
            tried.add(path)
            data = json.dumps(changed).encode()
            assert "from_a_later_version" in repr(language.read(event_class, data)), path
            if path.startswith(QUOTED.get(language.type_of(event_class).name, "nothing")):
                language.adapter(event_class).validate_json(data, context="closed")
                continue
            with pytest.raises(ValidationError):
                language.adapter(event_class).validate_json(data, context="closed")
    assert tried == {field.path for field in documents.fields_of(event_class) if "one of" in field.type}


@each_event
def test_a_consumer_ignores_fields_that_it_does_not_know(event_class: type[Any]) -> None:
    for example, value in stored(event_class):
        for part in list(objects(value)):
            part["from_a_later_version"] = {"of": ["any", 1]}
        assert language.read(event_class, json.dumps(value).encode()) == example


@each_event
def test_every_field_has_a_reader_or_is_fixed_from_the_first_version(event_class: type[Any]) -> None:
    kept = documents.FIRST_VERSION.get(language.type_of(event_class).name, frozenset())
    fields = {field.path: field.kind for field in documents.fields_of(event_class)}
    idle = {path for path, kind in fields.items() if kind is None and not documents.readers(event_class, path)}
    assert idle - kept == set(), "a field enters an event with its reader"
    assert kept - fields.keys() == set(), "a field that is no more"


def test_a_field_without_a_reader_would_be_noticed() -> None:
    event_class = next(cls for cls in EVENTS if language.type_of(cls).name == "deal-closed")
    assert documents.readers(event_class, "lines.quantity")
    assert not documents.readers(event_class, "lines.colour_of_the_box")


@each_event
def test_an_event_says_which_services_react(event_class: type[Any]) -> None:
    kind = language.type_of(event_class)
    reaction = (event_class.__doc__ or "").strip().partition("\n\n")[2]
    named = set(re.findall(rf"\b({'|'.join(documents.services())})\b", reaction))
    assert named == set(documents.consumers(event_class)), kind.name


@pytest.mark.parametrize("name", documents.services())
def test_the_access_table_names_the_topics_that_the_code_writes_and_reads(name: str) -> None:
    service = documents.services()[name]
    table = AccessTable.load(service.folder / "access.yaml")
    assert table.produces == {kind.name for cls in EVENTS if (kind := language.type_of(cls)).producer == name}
    assert table.consumes == {language.type_of(cls).name for cls in service.handlers}


@pytest.mark.parametrize("name", documents.services())
def test_a_service_does_not_listen_to_itself(name: str) -> None:
    assert name not in {language.type_of(cls).producer for cls in documents.services()[name].handlers}
