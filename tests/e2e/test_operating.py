"""What an operator does about a bad event, from the terminal: notices it, mends it, and nothing behind it is lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from baton.client import SERVICES
from shared.ids import new_id
from shared.runtime.topics import PARTITIONS
from tests.e2e.conftest import People, awaited
from tests.e2e.test_stories import captured
from tests.stack import Stack

TOPIC = "lead-generated"
READERS = ("handoff", "sales")
WHY = ("--reason", "a story")


async def record_of(stack: Stack, lead_id: str) -> Any:
    """The record of that lead in the topic of new leads."""
    reading = AIOKafkaConsumer(bootstrap_servers=stack.profile["kafka"], auto_offset_reset="earliest")
    await reading.start()
    try:
        reading.assign([TopicPartition(TOPIC, part) for part in range(PARTITIONS)])
        while True:
            for found in (await reading.getmany(timeout_ms=5_000)).values():
                for one in found:
                    if one.key == lead_id.encode():
                        return one
    finally:
        await reading.stop()


async def send(stack: Stack, key: UUID, sequence: int, like: Any, value: bytes) -> None:
    """A record of somebody's own, with the headers of another."""
    said = dict(like.headers) | {
        "ce_id": str(new_id()).encode(),
        "ce_subject": str(key).encode(),
        "ce_aggregatesequence": str(sequence).encode(),
    }
    producer = AIOKafkaProducer(bootstrap_servers=stack.profile["kafka"])
    await producer.start()
    await producer.send_and_wait(TOPIC, value, key=str(key).encode(), headers=list(said.items()))
    await producer.stop()


def parked(stack: Stack, key: UUID, *options: str) -> dict[str, list[dict[str, Any]]]:
    """The parked events of that key, by the service that holds them."""
    found = json.loads(stack.run("parked", "list", "--key", str(key), "--json", *options))
    return {service: [one for one in found if one["of"] == service] for service in READERS}


async def test_a_bad_event_is_mended_and_what_waits_behind_it_follows(stack: Stack, people: People, tmp_path: Path) -> None:
    known = await captured(people)
    real = await record_of(stack, known)
    lead_id = new_id()
    whole = real.value.replace(known.encode(), str(lead_id).encode())
    await send(stack, lead_id, 1, real, whole[:-20])
    await send(stack, lead_id, 2, real, whole)

    async def look() -> dict[str, Any]:
        return parked(stack, lead_id)

    await awaited(look, lambda listed: all(len(events) == 2 for events in listed.values()))
    # Once handoff has its lead back, it qualifies and routes it, and sales parks both behind what it still holds.
    for service, waiting in (("handoff", 2), ("sales", 4)):
        bad, *behind = (await awaited(look, lambda listed, of=service, count=waiting: len(listed[of]) == count))[service]
        assert (bad["error_class"], bad["next_attempt_at"], {one["error_code"] for one in behind}) == ("decode", None, {None})
        stack.run("parked", "export", service, str(bad["id"]), "--to", str(tmp_path / service))
        assert (tmp_path / service / f"{bad['id']}.value").read_bytes() == whole[:-20]
        (tmp_path / "mended").write_bytes(whole)
        stack.run("parked", "edit", service, str(bad["id"]), "--file", str(tmp_path / "mended"), *WHY)
        chosen = ("parked", "retry", service, "--key", str(lead_id))
        assert f"{waiting} event(s) of 1 key(s) would be tried again" in stack.run(*chosen, "--dry-run")
        assert stack.run(*chosen, *WHY).strip().endswith(f"{waiting} resolved")
        assert len(parked(stack, lead_id, "--is", "applied")[service]) == waiting
    assert (await people.reader.get("sales", f"/v1/leads/{lead_id}"))["lead_id"] == str(lead_id)
    assert (await people.reader.get("sales", f"/v1/leads/{lead_id}/offer"))["status"] == "open"
    assert "no parked event" in stack.run("parked", "list")


async def test_what_was_published_is_sent_again_and_changes_nothing(stack: Stack, people: People) -> None:
    lead_id = await captured(people)
    await awaited(lambda: people.reader.get("sales", f"/v1/leads/{lead_id}"), lambda lead: lead["lead_id"] == lead_id)
    before = await asyncio.to_thread(stack.settled_events)
    chosen = ("outbox", "republish", "marketing", "--topic", TOPIC, "--key", lead_id)
    assert "1 event(s) would be sent again" in stack.run(*chosen, "--dry-run")
    assert "1 event(s) are sent again" in stack.run(*chosen, *WHY)
    after = await asyncio.to_thread(stack.settled_events)
    assert {topic: count - before[topic] for topic, count in after.items() if count != before[topic]} == {TOPIC: 1}
    assert "no parked event" in stack.run("parked", "list")


async def test_positions_are_shown_and_not_moved_while_the_services_read(stack: Stack) -> None:
    shown = json.loads(stack.run("offsets", "show", "--json"))
    assert set(shown) == set(SERVICES)
    assert all(told["members"] and told["positions"] for told in shown.values())
    assert {one["trouble"] for told in shown.values() for one in told["positions"]} == {None}
    for command, code in (
        (("offsets", "repair", "sales", *WHY), "GROUP_IS_RUNNING"),
        (("offsets", "reset", "sales", "--to-time", "2026-01-01T00:00:00Z", *WHY), "GROUP_IS_RUNNING"),
        (("db", "restored", "sales", *WHY), "RELAY_RUNS"),
    ):
        refused = stack.start(*command)
        _, errors = refused.communicate(timeout=60)
        assert refused.returncode == 1
        assert code in errors
