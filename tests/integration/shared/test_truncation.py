"""A topic that lost what it had acknowledged: it is found out, and the topic is filled again from the outbox, once."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import RecordMetadata, TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from sqlalchemy import text

from baton.local.servers import Servers
from shared.db.transaction import Database
from shared.ids import new_id
from shared.outbox import positions
from tests.integration.shared import traffic
from tests.integration.shared.test_stamping import ids
from tests.integration.shared.traffic import published, relay_of
from tests.integration.shared.waiting import running, until


def truncations(topic: str) -> float:
    return REGISTRY.get_sample_value("baton_log_truncated_total", {"topic": topic}) or 0.0


async def lose(bootstrap: str, topic: str) -> None:
    """Makes the topic anew: all its records are gone, and its offsets begin again."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.delete_topics([topic])

    async def created() -> bool:
        answer = await admin.create_topics([NewTopic(topic, traffic.PARTS, 1)])
        return answer.topic_errors[0][1] == 0  # type: ignore[attr-defined]

    await until(created)
    await admin.close()


async def known(database: Database, topic: str) -> int:
    async with database.engine.connect() as connection:
        found = await connection.execute(text("SELECT sum(last_offset + 1) FROM outbox_position WHERE topic = :topic"), {"topic": topic})
        return int(found.scalar_one() or 0)


async def test_a_topic_that_was_lost_while_no_relay_ran_is_filled_again_once(alone: Database, servers: Servers, topics: str) -> None:
    topic = topics + "lead-accepted"
    before = await traffic.publish(alone, servers.kafka, topics, [new_id() for _ in range(40)])
    await lose(servers.kafka, topic)
    assert len(await traffic.read_log(servers.kafka, topics)) == 20
    async with running(relay_of(alone, servers.kafka, topics)):
        after = await published(servers.kafka, topics, 40)
    assert truncations(topic) == 1
    assert Counter(ids(after)) == Counter(ids(before))
    assert [ids([one]) for one in after if one.topic == topic] == [ids([one]) for one in before if one.topic == topic]
    async with running(relay_of(alone, servers.kafka, topics)):
        await traffic.write(alone, [new_id(), new_id()])
        again = await published(servers.kafka, topics, 42)
    assert (len(again), truncations(topic), await known(alone, topic)) == (42, 1, 21)


async def test_a_topic_that_is_lost_while_the_relay_runs_is_filled_again(alone: Database, servers: Servers, topics: str) -> None:
    topic = topics + "lead-accepted"
    async with running(relay_of(alone, servers.kafka, topics)):
        await traffic.write(alone, [new_id() for _ in range(40)])
        before = await published(servers.kafka, topics, 40)
        await lose(servers.kafka, topic)
        await traffic.write(alone, [new_id() for _ in range(40)])
        after = await published(servers.kafka, topics, 80)
    assert set(ids(before)) <= set(ids(after))
    assert truncations(topic) == 1


async def test_a_lost_topic_that_nobody_compares_stays_empty(
    alone: Database, servers: Servers, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await traffic.publish(alone, servers.kafka, topics, [new_id() for _ in range(40)])
    await lose(servers.kafka, topics + "lead-accepted")
    monkeypatch.setattr(positions, "cut", lambda *_: set())
    async with running(relay_of(alone, servers.kafka, topics)):
        await traffic.write(alone, [new_id(), new_id()])
        await published(servers.kafka, topics, 22)
    assert len(await traffic.read_log(servers.kafka, topics)) < 42


async def test_a_relay_that_finds_a_lost_topic_is_ended_before_it_has_stored_that_finds_it_again(
    alone: Database, servers: Servers, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await traffic.publish(alone, servers.kafka, topics, [new_id() for _ in range(40)])
    await lose(servers.kafka, topics + "lead-accepted")
    put, ended = positions.put, 0

    async def put_and_end(*given: object) -> None:
        nonlocal ended
        await put(*given)  # type: ignore[arg-type]
        ended += 1
        if ended == 1:
            raise TimeoutError

    monkeypatch.setattr(positions, "put", put_and_end)
    async with running(relay_of(alone, servers.kafka, topics)):
        await published(servers.kafka, topics, 40)
    assert ended == 2


@pytest.mark.parametrize("hung", [False, True])
async def test_a_broker_that_does_not_answer_has_lost_nothing_and_keeps_no_relay_from_ending(
    alone: Database, servers: Servers, topics: str, hung: bool
) -> None:
    await traffic.publish(alone, servers.kafka, topics, [new_id() for _ in range(4)])
    silent = socket.create_server(("127.0.0.1", 0))  # it lets connect and never says a word
    port = silent.getsockname()[1]
    if not hung:
        silent.close()
    relay = relay_of(alone, f"127.0.0.1:{port}", topics)
    tasks = asyncio.all_tasks()

    async def complains() -> bool:
        return relay.trouble is not None

    async with running(relay):
        await until(complains)
        begun = time.monotonic()
    assert time.monotonic() - begun < 15
    silent.close()

    async def nothing_is_left() -> bool:
        return asyncio.all_tasks() <= tasks

    await until(nothing_is_left)
    assert [truncations(topics + topic) for topic in traffic.TOPICS] == [0, 0]
    assert await known(alone, topics + "lead-accepted") == 2


def answers(topic: str, part: int, base: int, count: int) -> list[RecordMetadata]:
    return [RecordMetadata(topic, part, TopicPartition(topic, part), base + one, -1, 0, None) for one in range(count)]


@given(base=st.integers(0, 10), count=st.integers(1, 5), last=st.integers(-1, 20))
def test_a_log_that_acknowledges_at_or_below_what_it_had_lost_records(base: int, count: int, last: int) -> None:
    given = positions.acknowledged(answers("t", 0, base, count) + answers("other", 1, 100, 1))
    assert given == {("t", 0): range(base, base + count), ("other", 1): range(100, 101)}
    assert positions.fallen({("t", 0): last, ("t", 1): 99, ("other", 1): 99}, given) == ({"t"} if base <= last else set())


def test_a_batch_that_the_broker_knew_already_says_nothing_of_the_log() -> None:
    assert positions.acknowledged(answers("t", 0, -1, 5) + answers("t", 1, 7, 1)) == {("t", 1): range(7, 8)}


@given(end=st.integers(0, 10), last=st.integers(-1, 10))
def test_a_log_that_ends_below_what_it_acknowledged_lost_records(end: int, last: int) -> None:
    log = {("t", 0): end - 1, ("fresh", 0): -1}
    assert positions.cut({("t", 0): last}, log) == ({"t"} if end < last + 1 else set())
