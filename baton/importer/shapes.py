"""From one row to one entity: what is sent, or why nothing is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from baton.importer import dates, standing, values
from baton.importer.entities import Entity, Field
from baton.importer.faults import UnfitError
from baton.importer.mapping import Feed, Value
from shared import ids

Outcome = Literal["made", "repeated", "not_meant", "no_time", "rejected"]
Body = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a row gave for one feed. `body` is there only if it was made; `faults` by field, a label's alone does not hinder the rest.

    `standing` is the standing deal that it hangs on, if it has none of its own.
    """

    outcome: Outcome
    body: Body | None = None
    standing: standing.Standing | None = None
    faults: Sequence[tuple[str, UnfitError]] = ()


Make = Callable[[values.Row], Made]
Time = Callable[[values.Row], dates.Moment | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    name: str
    place: tuple[str, ...]
    required: bool
    read: values.Typed


@dataclass(slots=True)
class _Draft:
    body: Body
    faults: list[tuple[str, UnfitError]] = field(default_factory=list)
    spoilt: bool = False

    def spoil(self, name: str, fault: UnfitError) -> None:
        self.faults.append((name, fault))
        self.spoilt = True


def shape(feed: Feed, entity: Entity, context: values.Context) -> Make:
    """The function that makes that entity of a row. Raises UnfitError for a constant that does not fit; `constant_faults` names those."""
    meant = condition(feed, context)
    external_id = values.text(feed.external_id, context)
    times = _times(feed, entity, context)
    slots = [_slot(name, value, entity.fields[name], context) for name, value in feed.fields.items() if name != entity.time]
    defaults = list(_defaults(entity, context))
    stands_in = standing.shape(feed.standing, context) if feed.standing else None
    labels = [(name, values.label(value, context)) for name, value in feed.labels.items()]
    facts = [(name, values.fact(value, context)) for name, value in feed.facts.items()]
    groups = {
        group: [
            ([_slot(name, value, entity.groups[group][name], context) for name, value in member.items()], _varying(member))
            for member in members
        ]
        for group, members in feed.groups().items()
    }
    source = context.mapping.source.code
    updating = {"on_conflict": "update"} if feed.on_conflict == "update" else {}

    def make(row: values.Row) -> Made:
        if not meant(row):
            return Made(outcome="not_meant")
        draft = _Draft({"source": source, **entity.constants, **updating})
        if times and not _set_time(draft, row, entity, times):
            return Made(outcome="no_time")
        _set_identity(draft, row, external_id, source, entity)
        _set_slots(draft, row, slots, draft.body, "")
        for place, value in defaults:
            draft.body.setdefault(place, value)
        stood_in = _set_standing(draft, row, stands_in) if entity.of_deal else None
        _set_words(draft, row, labels, facts)
        for group, members in groups.items():
            draft.body[group] = _members(draft, row, entity, group, members)
        if draft.spoilt:
            return Made(outcome="rejected", faults=draft.faults)
        return Made(outcome="made", body=draft.body, faults=draft.faults, standing=stood_in)

    return make


def constant_faults(feed: Feed, entity: Entity, context: values.Context) -> Iterator[str]:
    """What is wrong with the constants of a feed, each with its place below it."""
    kinds: dict[str, Field] = {f"fields.{name}": wanted for name, wanted in entity.fields.items()}
    for group, members in feed.groups().items():
        kinds |= {f"{group}[{at}].{name}": wanted for at in range(len(members)) for name, wanted in entity.groups[group].items()}
    for place, value in feed.values():
        try:
            if place == f"fields.{entity.time}":
                _times(feed, entity, context)
            elif place in kinds:
                values.typed(value, kinds[place], context)
            elif place.startswith("labels."):
                values.label(value, context)
            elif place.startswith("facts."):
                values.fact(value, context)
        except UnfitError as fault:
            yield f"{place}.constant: {fault.message}"


def condition(feed: Feed, context: values.Context) -> Callable[[values.Row], bool]:
    """Whether a row is meant by the feed's `when`."""
    tests = [(values.text(Value(column=column), context), _accepted(wanted)) for column, wanted in feed.when.items()]
    return lambda row: all(accepts(read(row)) for read, accepts in tests)


def _accepted(wanted: bool | str | list[str]) -> Callable[[str | None], bool]:
    if isinstance(wanted, bool):
        return lambda cell: (cell is not None) == wanted
    words = frozenset([wanted] if isinstance(wanted, str) else wanted)
    return lambda cell: cell in words


def _times(feed: Feed, entity: Entity, context: values.Context) -> Sequence[Time]:
    """The time itself, then what stands in for it, in turn."""
    times: list[Time] = []
    value = feed.fields[entity.time] if entity.time else None
    while value is not None:
        times.append(values.moment(value, context))
        value = value.stand_in
    return times


def _defaults(entity: Entity, context: values.Context) -> Iterator[tuple[str, str]]:
    for name, wanted in entity.fields.items():
        value = {"currency": context.mapping.defaults.currency, "time_zone": context.mapping.source.time_zone, None: None}[wanted.default]
        if value is not None:
            yield wanted.to or name, value


def _slot(name: str, value: Value, wanted: Field, context: values.Context) -> _Slot:
    place = tuple((wanted.to or name).split("."))
    return _Slot(name=name, place=place, required=wanted.required, read=values.typed(value, wanted, context))


def _varying(member: Mapping[str, Value]) -> frozenset[str]:
    return frozenset(name for name, value in member.items() if value.constant is None)


def _set_time(draft: _Draft, row: values.Row, entity: Entity, times: Sequence[Time]) -> bool:
    """Whether the row may go on: False if the time, and so the fact, is unknown."""
    try:
        for at, read in enumerate(times):
            if (found := read(row)) is not None:
                draft.body[entity.time], only_day = found
                if at:
                    draft.body["estimated"] = True
                if only_day and entity.days:
                    draft.body["day_only"] = True
                return True
    except UnfitError as fault:
        draft.spoil(entity.time, fault)
        return True
    return False


def _set_standing(draft: _Draft, row: values.Row, read: standing.Read | None) -> standing.Standing | None:
    if "deal_id" in draft.body or draft.spoilt:
        return None
    if read is None:
        draft.spoil("deal", UnfitError("MISSING", "is missing"))
        return None
    try:
        stood_in = read(row)
    except UnfitError as fault:
        draft.spoil("standing.customer", fault)
        return None
    draft.body["deal_id"] = stood_in.deal_id
    return stood_in


def _set_identity(draft: _Draft, row: values.Row, external_id: values.Text, source: str, entity: Entity) -> None:
    try:
        named = external_id(row)
    except UnfitError as fault:
        draft.spoil("external_id", fault)
        return
    if named is None:
        draft.spoil("external_id", UnfitError("MISSING", "is missing, and nothing can be told apart without it"))
        return
    draft.body["external_id"] = named
    draft.body[entity.id_field] = str(ids.derived_id(source, entity.name, named))


def _set_slots(draft: _Draft, row: values.Row, slots: Sequence[_Slot], body: Body, prefix: str) -> None:
    for slot in slots:
        try:
            value = slot.read(row)
        except UnfitError as fault:
            draft.spoil(prefix + slot.name, fault)
            continue
        if value is not None:
            _put(body, slot.place, value)
        elif slot.required:
            draft.spoil(prefix + slot.name, UnfitError("MISSING", "is missing"))


def _set_words(
    draft: _Draft, row: values.Row, labels: Sequence[tuple[str, values.Typed]], facts: Sequence[tuple[str, values.Typed]]
) -> None:
    kept: dict[str, object] = {}
    for name, read in labels:
        try:
            if (word := read(row)) is not None:
                kept[name] = word
        except UnfitError as fault:
            draft.faults.append((f"labels.{name}", fault))
    if kept:
        draft.body["labels"] = kept
    known: list[Body] = []
    for name, read in facts:
        try:
            if (fact := read(row)) is not None:
                known.append({"fact_code": name, "value": fact})
        except UnfitError as fault:
            draft.spoil(f"facts.{name}", fault)
    if known:
        draft.body["facts"] = known


def _members(
    draft: _Draft, row: values.Row, entity: Entity, group: str, members: Sequence[tuple[Sequence[_Slot], frozenset[str]]]
) -> list[Body]:
    made: list[Body] = []
    numbered = group == "lines" and entity.numbered
    for at, (slots, varying) in enumerate(members):
        # A member of which the row says nothing is not there: a second product that most rows do not have.
        if varying and not _tells(row, slots, varying):
            continue
        body: Body = {"line_no": len(made) + 1} if numbered else {}
        _set_slots(draft, row, slots, body, f"{group}[{at}].")
        made.append(body)
    if group == "lines" and not made and not entity.numbered:
        # Without lines the fact would hold for the whole order, which this mapping does not mean.
        draft.spoil(group, UnfitError("MISSING", "names no line"))
    return made


def _tells(row: values.Row, slots: Sequence[_Slot], varying: frozenset[str]) -> bool:
    for slot in slots:
        if slot.name in varying:
            try:
                if slot.read(row) is not None:
                    return True
            except UnfitError:
                return True
    return False


def _put(body: Body, place: tuple[str, ...], value: object) -> None:
    for part in place[:-1]:
        body = body.setdefault(part, {})
    body[place[-1]] = value
