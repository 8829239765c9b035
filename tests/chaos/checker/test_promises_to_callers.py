"""What callers were told, what is left at the end, and whether a run shows enough: each breach that is planted is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.chaos.checker.evidence import Fault, Record
from tests.chaos.checker.history import Item
from tests.chaos.checker.judging import same
from tests.chaos.checker.planting import FAULT, WORLD, broken, judged, parked, record
from tests.chaos.checker.synthetic import MARKER, OPPORTUNITY, Small
from tests.chaos.checker.verdict import judge


def test_several_answers_to_one_key_are_found() -> None:
    def plant(world: Small) -> None:
        world.write("key-twice", (), "ok", "ok")
        world.entries[-1] = replace(world.entries[-1], sha="b")

    assert "I6" in broken(plant)


def test_a_retry_that_was_carried_out_anew_is_found() -> None:
    def plant(world: Small) -> None:
        world.write("key-retried", (), "info", "ok", wants=200)

    assert "I6" in broken(plant)


def test_a_refusal_after_an_acknowledgement_is_found() -> None:
    assert "I6" in broken(lambda world: world.write("key-refused-later", (), "ok", "fail"))


def test_an_effect_whose_repetition_was_refused_is_found() -> None:
    def plant(world: Small) -> None:
        world.entries[:] = [each for each in world.entries if each.idem != "key-open"]
        told = ("opportunity-stage-changed", OPPORTUNITY)
        item = Item(claims=(("sales.opportunities", "opportunity_id", OPPORTUNITY),), tells=(told,))
        world.write("key-open", (item,), "info", "fail")

    assert "I6" in broken(plant)


def test_other_content_under_a_used_key_must_be_refused() -> None:
    assert "I6" in broken(lambda world: world.write("key-close", (), "ok", f="reuse"))


def test_a_chain_of_versions_is_no_violation() -> None:
    def plant(world: Small) -> None:
        for before in (1, 2, 3):
            world.write(f"k{before}", (), "ok", etag_in=before)
            world.entries[-1] = replace(world.entries[-1], etag_out=before + 1, key="thing")
            world.entries[-2] = replace(world.entries[-2], key="thing")

    assert not broken(plant)


def test_a_version_that_was_consumed_twice_is_found() -> None:
    def plant(world: Small) -> None:
        for number in (1, 2):
            world.write("thing", (), "ok", etag_in=4, idem=f"k{number}")
            world.entries[-1] = replace(world.entries[-1], etag_out=4 + number)

    assert "I7" in broken(plant)


def test_a_version_that_is_gone_at_the_end_is_found() -> None:
    def plant(world: Small) -> None:
        world.rows("sales.opportunities")[0]["version"] = 1
        world.write(OPPORTUNITY, (), "ok", etag_in=1)
        world.entries[-1] = replace(world.entries[-1], etag_out=2)

    assert "I7" in broken(plant)


def test_content_that_is_not_that_of_the_last_version_is_found() -> None:
    def plant(world: Small) -> None:
        world.rows("sales.opportunities")[0] |= {"version": 2, "note": "lost"}
        world.write(OPPORTUNITY, (Item(has={"note": "mine"}),), "ok", etag_in=1)
        world.entries[-1] = replace(world.entries[-1], etag_out=2)

    assert "I7" in broken(plant)


def test_an_event_that_is_nowhere_is_found() -> None:
    def plant(world: Small) -> None:
        row = parked(world, "lead-accepted")
        inbox = world.rows("handoff.inbox")
        inbox[:] = [each for each in inbox if each["event_id"] != row["event_id"]]

    assert "I8" in broken(plant)


@pytest.mark.parametrize("column", ["raw_key", "raw_value", "raw_headers", "kafka_ts", "offset"])
def test_a_parked_event_that_lost_a_byte_is_found(column: str) -> None:
    changed = {"raw_key": b"x", "raw_value": None, "raw_headers": [], "kafka_ts": datetime(2000, 1, 1, tzinfo=UTC), "offset": 77}

    def plant(world: Small) -> None:
        world.rows("sales.parked_event").append(parked(world, "lead-routed", **{column: changed[column]}))

    assert "I8" in broken(plant)


def test_a_bad_record_that_was_not_parked_is_found() -> None:
    def plant(world: Small) -> None:
        world.log.append(Record(topic="lead-routed", part=5, offset=0, time=0, key=b"k", headers=(), value=b"{"))
        place = {"topic": "lead-routed", "part": 5, "offset": 0, "kind": "bad JSON"}
        world.faults.append(replace(FAULT, name="F24", expects={"parked": [place]}))

    assert "I8" in broken(plant)


def test_a_service_that_is_not_ready_again_is_found() -> None:
    def plant(world: Small) -> None:
        world.faults.append(FAULT)
        world.samples[:] = [replace(each, ready=each.service != "sales" or each.at < 20) for each in world.samples]

    assert "I9" in broken(plant)


def test_a_service_that_was_not_ready_again_before_the_next_fault_is_nobodys_to_judge() -> None:
    def plant(world: Small) -> None:
        world.faults += [FAULT, replace(FAULT, begin=FAULT.end + 5, end=FAULT.end + 6)]
        still = FAULT.end + 5
        world.samples[:] = [replace(each, ready=not FAULT.end <= each.at <= still + 1) for each in world.samples]

    assert "I9" not in broken(plant)


def test_a_backlog_that_does_not_drain_is_found() -> None:
    def plant(world: Small) -> None:
        world.settled = None

    assert "I9" in broken(plant)


def test_a_restart_by_hand_is_found() -> None:
    assert "I9" in broken(lambda world: world.faults.append(replace(FAULT, expects={"manual_restart": True})))


def test_writes_that_failed_while_kafka_was_away_are_found() -> None:
    def plant(world: Small) -> None:
        world.faults.append(replace(FAULT, begin=0.0, end=9.0))

    assert "I10" in broken(plant)


def test_writes_that_succeeded_while_kafka_was_away_are_counted() -> None:
    verdict = judged(lambda world: world.faults.append(replace(FAULT, begin=7.5, end=20.0, expects={"available": {"share": 0.5}})))
    availability = next(each for each in verdict.invariants if each.name == "I10")
    assert availability.asked
    assert availability.checked
    assert not availability.found


def test_a_read_that_misses_ones_own_write_is_found() -> None:
    def plant(world: Small) -> None:
        world.entries[-1] = replace(world.entries[-1], etag_out=1)

    assert "I11" in broken(plant)


def test_a_read_that_finds_nothing_after_the_write_is_found() -> None:
    def plant(world: Small) -> None:
        world.entries[-1] = replace(world.entries[-1], type="fail", status=404, etag_out=None)

    assert "I11" in broken(plant)


def test_a_marker_in_an_event_is_a_leak() -> None:
    def plant(world: Small) -> None:
        place = record(world, "lead-generated")
        world.log[place] = replace(world.log[place], value=(world.log[place].value or b"") + MARKER.encode())

    assert "I12" in broken(plant)


def test_what_stays_taken_is_found() -> None:
    def plant(world: Small) -> None:
        world.samples[:] = [replace(each, figures={**each.figures, "process_open_fds": 20.0 + each.at}) for each in world.samples]

    assert "I13" in broken(plant)


def test_a_run_that_shows_too_little_is_invalid() -> None:
    assert judge(replace(WORLD.run(), min_ok=1000)).result == "INVALID"


def test_an_event_type_that_was_not_seen_makes_a_run_invalid() -> None:
    def plant(world: Small) -> None:
        for topic in ("order-cancelled",):
            world.log[:] = [each for each in world.log if each.topic != topic]

    assert any("order-cancelled" in guard for guard in judged(plant).guards)


@pytest.mark.parametrize(
    ("caught_up", "piled", "found"), [(40, 0, True), (40, 20, True), (40, 60, False), (58, 120, False), (62, 120, True)]
)
def test_a_backlog_may_take_a_quarter_of_the_time_in_which_it_came_to_be(caught_up: int, piled: int, found: bool) -> None:
    def plant(world: Small) -> None:
        world.faults[:] = [replace(FAULT, begin=1.0, end=10.0, expects={"piled_seconds": piled})]
        for place, each in enumerate(world.samples):
            lag = {"baton_consumer_lag_seconds": 9.0} if 10 <= each.at < 10 + caught_up else {}
            world.samples[place] = replace(each, figures={**each.figures, **lag})

    assert ("I9" in broken(plant)) is found


@pytest.mark.parametrize(
    "fault",
    [
        replace(FAULT, evidence={}),
        replace(FAULT, evidence={"packets": 0}),
        replace(FAULT, name="F2"),
        replace(FAULT, name="F5"),
        replace(FAULT, expects={"counters": [{"name": "baton_sequence_gaps_total", "at_least": 1}]}),
    ],
)
def test_a_fault_that_left_no_trace_makes_a_run_invalid(fault: Fault) -> None:
    calm = replace(fault, begin=7.5, end=20.0, expects={"available": {"share": 0.1}, **fault.expects})
    assert judged(lambda world: world.faults.append(calm)).result == "INVALID"


def test_a_database_without_rows_makes_a_run_invalid() -> None:
    def plant(world: Small) -> None:
        for name in list(world.tables):
            if name.startswith("handoff."):
                del world.tables[name]

    assert judged(plant).guards


def test_an_attempt_without_an_end_is_of_unknown_outcome() -> None:
    def plant(world: Small) -> None:
        world.write("key-cut", (Item(claims=(("sales.deals", "deal_id", "perhaps"),)),), "ok")
        world.entries.pop()

    assert not broken(plant)


def test_values_are_the_same_in_any_notation() -> None:
    assert same("2026-03-02T09:30:00Z", datetime(2026, 3, 2, 9, 30, tzinfo=UTC))
    assert same("10.50", Decimal("10.5"))
    assert same({"a": 1, "b": None}, {"a": "1"})
    assert not same("1", True)
    assert not same(None, 0)
    assert not same([1], [1, 2])
    assert not same("2026-03-02", "2026-03-03")
