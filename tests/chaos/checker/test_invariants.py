"""Every invariant finds what is planted against it, and nothing in a run that holds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.chaos.checker.evidence import Record, event_of
from tests.chaos.checker.history import Item
from tests.chaos.checker.planting import FAULT, WORLD, broken, drop_record, drop_row, judged, parked, record, with_header
from tests.chaos.checker.synthetic import LEAD, Small
from tests.chaos.checker.verdict import judge


def test_a_run_that_holds_passes() -> None:
    verdict = judge(WORLD.run())
    assert (verdict.result, verdict.guards) == ("PASS", [])
    assert all(each.checked for each in verdict.invariants if each.asked)


@pytest.mark.parametrize("table", ["marketing.leads", "sales.opportunities", "sales.deals", "sales.answers", "distribution.shipments"])
def test_a_row_that_was_acknowledged_and_is_missing_is_found(table: str) -> None:
    assert "I1" in broken(drop_row(table))


@pytest.mark.parametrize("topic", ["lead-generated", "lead-accepted", "deal-closed", "order-shipped", "lead-routed"])
def test_an_event_that_never_reached_the_log_is_found(topic: str) -> None:
    assert "I1" in broken(drop_record(topic))


@pytest.mark.parametrize(("declared", "found"), [(True, set[str]()), (False, {"I1", "I4", "I5"})])
def test_an_event_that_was_kept_out_of_the_log_is_its_owners_deed_all_the_same(declared: bool, found: set[str]) -> None:
    def plant(world: Small) -> None:
        kept_out = event_of(world.log[record(world, "order-shipped")])
        assert kept_out is not None
        drop_record("order-shipped")(world)
        for name, rows in world.tables.items():
            if name.endswith((".inbox", ".order_facts", ".journey_facts")):
                rows[:] = [row for row in rows if row["event_id"] != kept_out.id]
        gap = {"source": kept_out.source, "subject": kept_out.subject, "numbers": [kept_out.sequence]}
        if declared:
            world.faults.append(replace(FAULT, name="F23", expects={"lost": [kept_out.id], "gaps": [gap]}))

    assert broken(plant) == found


@pytest.mark.parametrize(("kind", "found"), [("moved", set[str]()), ("bad-json", {"I5"})])
def test_a_record_at_another_place_is_its_owners_deed_and_a_strange_one_is_not(kind: str, found: set[str]) -> None:
    def plant(world: Small) -> None:
        topic, part, offset = world.log[record(world, "order-shipped")].place
        place = {"topic": topic, "part": part, "offset": offset, "kind": kind}
        world.faults.append(replace(FAULT, name="F23", expects={"foreign": [place]}))

    assert broken(plant) == found


def test_an_event_that_was_never_written_is_found() -> None:
    def plant(world: Small) -> None:
        drop_record("lead-accepted")(world)
        world.rows("sales.outbox")[:] = [row for row in world.rows("sales.outbox") if row["topic"] != "lead-accepted"]

    assert "I1" in broken(plant)


@pytest.mark.parametrize(
    "table",
    [
        "handoff.leads", "handoff.journey_facts", "handoff.decisions", "handoff.routings", "sales.leads", "sales.decisions", "sales.offers",
        "sales.order_facts", "marketing.stage_entries", "marketing.deal_outcomes", "marketing.deliveries", "distribution.deals",
        "distribution.orders", "distribution.order_lines", "distribution.deliveries",
    ],
)  # fmt: skip
def test_an_effect_that_is_missing_at_a_subscriber_is_found(table: str) -> None:
    assert {"I1", "I5"} <= broken(drop_row(table))


def test_a_row_that_does_not_hold_what_was_written_is_found() -> None:
    def plant(world: Small) -> None:
        item = Item(claims=(("marketing.leads", "lead_id", LEAD),), has={"country": "XX"})
        world.write("key-again", (item,), "ok")

    assert "I1" in broken(plant)


def test_an_outbox_that_says_something_else_than_the_log_is_found() -> None:
    def plant(world: Small) -> None:
        place = record(world, "lead-accepted")
        world.log[place] = replace(world.log[place], value=(world.log[place].value or b"") + b" ")

    assert "I1" in broken(plant)


def test_a_row_that_nobody_wrote_is_a_phantom() -> None:
    assert "I2" in broken(lambda world: world.rows("sales.deals").append({**world.rows("sales.deals")[0], "deal_id": "unheard-of"}))


def test_the_effect_of_a_refused_write_is_a_phantom() -> None:
    assert "I2" in broken(lambda world: world.rows("marketing.leads").append({**world.rows("marketing.leads")[0], "lead_id": "nobody"}))


def test_the_effect_of_a_write_of_unknown_outcome_is_no_phantom() -> None:
    assert not broken(lambda world: world.write("key-unknown", (Item(claims=(("sales.deals", "deal_id", "perhaps"),)),), "info"))


def test_an_event_whose_cause_nobody_sent_is_a_phantom() -> None:
    def plant(world: Small) -> None:
        place = record(world, "lead-accepted")
        world.log[place] = with_header(world.log[place], "ce_causationid", "nobody")
        row = next(row for row in world.rows("sales.outbox") if row["topic"] == "lead-accepted")
        row["headers"] = [[name, "nobody" if name == "ce_causationid" else value] for name, value in row["headers"]]

    assert "I2" in broken(plant)


def test_an_event_that_is_in_no_outbox_is_a_phantom() -> None:
    assert "I2" in broken(drop_row("handoff.outbox"))


def test_a_record_that_is_no_event_and_nobodys_is_a_phantom() -> None:
    stray = Record(topic="deal-closed", part=3, offset=0, time=0, key=None, headers=(), value=b"{")
    assert {"I2", "I8"} <= broken(lambda world: world.log.append(stray))


def test_a_copy_with_other_bytes_is_found() -> None:
    def plant(world: Small) -> None:
        old = world.log[record(world, "lead-routed")]
        world.log.append(replace(old, offset=9, value=b"{}"))

    assert "I2" in broken(plant)


def test_a_copy_of_an_event_is_no_violation() -> None:
    assert not broken(lambda world: world.log.append(replace(world.log[record(world, "deal-closed")], offset=9)))


def test_an_event_that_is_not_in_the_inbox_is_found() -> None:
    assert {"I3", "I8"} <= broken(lambda world: world.rows("distribution.inbox").clear())


def test_an_effect_that_was_told_twice_under_different_ids_is_found() -> None:
    def plant(world: Small) -> None:
        old = world.log[record(world, "lead-routed")]
        again = with_header(with_header(old, "ce_id", "00000000-0000-7000-8000-000000000999"), "ce_aggregatesequence", "3")
        world.log.append(replace(again, offset=9))

    assert "I3" in broken(plant)


def test_a_second_order_of_a_deal_is_found() -> None:
    second = {**WORLD.rows("distribution.orders")[0], "order_id": "second"}
    assert "I3" in broken(lambda world: world.rows("distribution.orders").append(second))


def test_more_effects_than_events_are_found() -> None:
    def plant(world: Small) -> None:
        for sample in (world.samples[0], world.samples[99]):
            figures = {"baton_e2e_latency_seconds_count": 0.0 if sample is world.samples[0] else 500.0}
            world.samples[world.samples.index(sample)] = replace(sample, figures=figures)

    assert "I3" in broken(plant)


def test_an_inversion_in_the_log_is_found() -> None:
    def plant(world: Small) -> None:
        old = world.log[record(world, "order-shipped")]
        earlier = with_header(with_header(old, "ce_id", "00000000-0000-7000-8000-000000000998"), "ce_aggregatesequence", "9")
        world.log[record(world, "order-shipped")] = replace(old, offset=5)
        world.log.append(replace(earlier, offset=1))

    assert "I4" in broken(plant)


def test_a_missing_number_is_found() -> None:
    def plant(world: Small) -> None:
        place = record(world, "order-cancelled")
        world.log[place] = with_header(world.log[place], "ce_aggregatesequence", "7")

    assert "I4" in broken(plant)


def test_a_number_that_was_used_twice_is_found() -> None:
    def plant(world: Small) -> None:
        place = record(world, "order-cancelled")
        world.log[place] = with_header(world.log[place], "ce_aggregatesequence", "1")

    assert "I4" in broken(plant)


def test_effects_in_the_wrong_order_are_found() -> None:
    def plant(world: Small) -> None:
        old = world.log[record(world, "order-promised")]
        again = with_header(with_header(old, "ce_id", "00000000-0000-7000-8000-000000000997"), "ce_aggregatesequence", "5")
        world.log.append(replace(again, offset=9))
        facts = world.rows("sales.order_facts")
        facts.append({**facts[0], "event_id": "00000000-0000-7000-8000-000000000997", "_xmin": 5})

    assert "I4" in broken(plant)


def test_what_was_applied_past_a_held_key_is_found() -> None:
    def plant(world: Small) -> None:
        row = parked(world, "lead-accepted")
        place = record(world, "lead-accepted")
        later = with_header(with_header(world.log[place], "ce_id", "00000000-0000-7000-8000-000000000996"), "ce_aggregatesequence", "2")
        world.log.append(replace(later, offset=9))
        world.rows("handoff.parked_event").append(row)

    assert "I4" in broken(plant)


@pytest.mark.parametrize(("effect", "found"), [(1500, True), (2500, False)])
def test_what_was_applied_while_its_key_was_held_is_found_after_the_key_is_free(effect: int, found: bool) -> None:
    def plant(world: Small) -> None:
        place = record(world, "order-promised")
        later = with_header(with_header(world.log[place], "ce_id", "00000000-0000-7000-8000-000000000996"), "ce_aggregatesequence", "7")
        world.log.append(replace(later, offset=9))
        facts = world.rows("sales.order_facts")
        facts.append({**facts[0], "event_id": "00000000-0000-7000-8000-000000000996", "_xmin": effect})
        world.rows("sales.parked_event").append(parked(world, "order-promised") | {"state": "discarded", "_xmin": 2000})

    told = [each for one in judged(plant).invariants if one.name == "I4" for each in one.found]
    assert any("while its key was held" in each for each in told) == found


def test_an_event_that_was_applied_although_it_is_parked_is_found() -> None:
    assert "I5" in broken(lambda world: world.rows("handoff.parked_event").append(parked(world, "lead-accepted")))


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("handoff.leads", "captured_at", "2020-01-01T00:00:00+00:00"),
        ("handoff.journey_facts", "stage", "won"),
        ("sales.offers", "status", "expired"),
        ("sales.order_facts", "whole", None),
        ("marketing.lifecycles", "stage", "lead"),
        ("marketing.deal_outcomes", "outcome", "lost"),
        ("distribution.deals", "deal_version", 2),
        ("distribution.order_lines", "delivered_quantity", Decimal(99)),
    ],
)
def test_a_field_that_differs_is_found(table: str, column: str, value: object) -> None:
    assert "I5" in broken(lambda world: world.rows(table)[0].update({column: value}))
