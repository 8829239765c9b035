"""Positions are mended by hand while nobody reads: where a log lost records, and to read again from a time on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from sqlalchemy import text

from baton.local.servers import Servers
from shared.db.audit import Author
from shared.db.transaction import Database
from shared.errors import Invalid
from shared.ids import new_id
from shared.inbox import offsets
from shared.inbox.offsets import ASKED, HOLE, LOG_END, LOG_START, BeyondInbox, GroupIsRunning, Log, Move, PositionsMoved
from tests.integration.shared import traffic
from tests.integration.shared.test_consumer import applied, consumer_of, in_order
from tests.integration.shared.test_parking import rows, run
from tests.integration.shared.traffic import publish, subject_in
from tests.integration.shared.waiting import running, until

ANN = Author(principal="ann@terminal")
WHY = "tried in test"


def log_of(servers: Servers, prefix: str) -> Log:
    return Log(bootstrap=servers.kafka, group=prefix + "sales")


async def put(database: Database, positions: dict[tuple[str, int], int]) -> None:
    for (topic, part), offset in positions.items():
        await run(database, "INSERT INTO consumer_offset VALUES (:topic, :part, :offset)", topic=topic, part=part, offset=offset)


async def positions_of(database: Database) -> dict[tuple[str, int], int]:
    return {(row.topic, row.part): row.next_offset for row in await rows(database, "consumer_offset")}


async def shorten(servers: Servers, topic: str, part: int, before: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, part): RecordsToDelete(before_offset=before)})
    await admin.close()


async def everything_applied(database: Database, servers: Servers, prefix: str, count: int) -> None:
    """A consumer reads until so many events have had their effect, and leaves the group."""
    async with running(consumer_of(database, servers, prefix)):
        await applied(database, count)

    async def left() -> bool:
        return await offsets.members(log_of(servers, prefix)) == []

    await until(left)


async def test_positions_are_shown_beside_their_logs_and_who_reads(alone: Database, servers: Servers, topics: str) -> None:
    subject = subject_in(1)
    await publish(alone, servers.kafka, topics, [subject] * 4)
    await put(alone, {(topics + "lead-accepted", 1): 1, (topics + "lead-rejected", 1): 9, (topics + "no-such", 0): 5})
    shown, members = await offsets.show(alone, log_of(servers, topics))
    assert [(one.topic.removeprefix(topics), one.part, one.next_offset, one.start, one.end, one.trouble) for one in shown] == [
        ("lead-accepted", 1, 1, 0, 2, None),
        ("lead-rejected", 1, 9, 0, 2, LOG_END),
        ("no-such", 0, 5, None, None, None),
    ]
    assert members == []


async def test_nothing_is_moved_while_the_service_reads(alone: Database, servers: Servers, topics: str) -> None:
    await publish(alone, servers.kafka, topics, [new_id()] * 2)
    log = log_of(servers, topics)
    async with running(consumer_of(alone, servers, topics)):
        await applied(alone, 2)
        before = await positions_of(alone)
        with pytest.raises(GroupIsRunning) as refused:
            await offsets.repair(alone, log, topics=[topics + "lead-accepted"], author=ANN, reason=WHY)
        assert topics + "sales" in str(refused.value.data["members"])
        with pytest.raises(GroupIsRunning):
            await offsets.reset(alone, log, to=datetime.now(UTC) - timedelta(hours=1), topics=[], author=ANN, reason=WHY)
    assert await positions_of(alone) == before
    assert await rows(alone, "audit_log") == []


async def test_a_halted_partition_goes_on_where_its_log_begins(alone: Database, servers: Servers, topics: str) -> None:
    lost = subject_in(0)
    accepted, rejected = topics + "lead-accepted", topics + "lead-rejected"
    await publish(alone, servers.kafka, topics, [lost] * 8)
    await shorten(servers, accepted, 0, 2)
    await put(alone, {(accepted, 0): 0, (accepted, 1): 0, (rejected, 0): 99, (rejected, 1): 0})
    member = consumer_of(alone, servers, topics)

    async def halted() -> bool:
        return "log_start" in (member.trouble() or "") and "log_end" in (member.trouble() or "")

    async with running(member):
        await until(halted)
    log = log_of(servers, topics)
    moves = await offsets.repair(alone, log, topics=[], author=ANN, reason=WHY)
    assert moves == [
        Move(topic=accepted, part=0, before=0, after=2, reason=LOG_START),
        Move(topic=rejected, part=0, before=99, after=0, reason=LOG_END),
    ]
    assert [(row.principal, row.action, row.object_id, row.fields, row.reason) for row in await rows(alone, "audit_log")] == [
        (ANN.principal, "offsets.repair", f"{accepted}/0 0 → 2 (log_start)", ["next_offset"], WHY),
        (ANN.principal, "offsets.repair", f"{rejected}/0 99 → 0 (log_end)", ["next_offset"], WHY),
    ]
    await everything_applied(alone, servers, topics, 6)
    assert await offsets.repair(alone, log, topics=[], author=ANN, reason=WHY) == []


async def test_a_hole_is_passed_and_nothing_behind_it(alone: Database, servers: Servers, topics: str) -> None:
    accepted = topics + "lead-accepted"
    producer = AIOKafkaProducer(bootstrap_servers=servers.kafka, transactional_id=f"{topics}holes")
    await producer.start()
    for number in range(3):  # the end of each transaction takes an offset that no reader ever gets
        async with producer.transaction():
            await producer.send_and_wait(accepted, str(number).encode(), partition=0)
    await producer.stop()
    await put(alone, {(accepted, 0): 1, (accepted, 1): 0})
    moves = await offsets.repair(alone, log_of(servers, topics), topics=[], author=ANN, reason=WHY)
    assert moves == [Move(topic=accepted, part=0, before=1, after=2, reason=HOLE)]
    assert await offsets.repair(alone, log_of(servers, topics), topics=[], author=ANN, reason=WHY) == []


async def test_a_topic_is_read_again_from_its_start_without_a_second_effect(alone: Database, servers: Servers, topics: str) -> None:
    accepted = topics + "lead-accepted"
    await publish(alone, servers.kafka, topics, [new_id() for _ in range(20)])
    await everything_applied(alone, servers, topics, 20)
    before = await positions_of(alone)
    moves = await offsets.repair(alone, log_of(servers, topics), topics=[accepted], author=ANN, reason=WHY)
    assert {(move.topic, move.part): move.before for move in moves} == {place: at for place, at in before.items() if place[0] == accepted}
    assert {(move.after, move.reason) for move in moves} == {(0, ASKED)}
    await publish(alone, servers.kafka, topics, [new_id(), new_id()])
    await everything_applied(alone, servers, topics, 22)
    assert len(await traffic.seen(alone)) == 22
    assert await in_order(alone)


async def test_reading_again_from_a_time_on_has_no_second_effect(alone: Database, servers: Servers, topics: str) -> None:
    first = [new_id() for _ in range(10)]
    await publish(alone, servers.kafka, topics, first)
    between = datetime.now(UTC)
    await publish(alone, servers.kafka, topics, first)
    await everything_applied(alone, servers, topics, 20)
    before = await positions_of(alone)
    log = log_of(servers, topics)
    moves = await offsets.reset(alone, log, to=between, topics=[], author=ANN, reason=WHY)
    assert sum(move.before - move.after for move in moves) == 10
    assert all(0 < move.after < move.before == before[move.topic, move.part] for move in moves)
    assert await offsets.reset(alone, log, to=datetime.now(UTC) - timedelta(milliseconds=1), topics=[], author=ANN, reason=WHY) == []
    moved = await positions_of(alone)
    all_of_one = await offsets.reset(alone, log, to=between - timedelta(hours=1), topics=[topics + "lead-rejected"], author=ANN, reason=WHY)
    assert {(move.topic, move.after) for move in all_of_one} == {(topics + "lead-rejected", 0)}
    assert {place: at for place, at in (await positions_of(alone)).items() if "accepted" in place[0]} == {
        place: at for place, at in moved.items() if "accepted" in place[0]
    }
    await publish(alone, servers.kafka, topics, first[:2])
    await everything_applied(alone, servers, topics, 22)
    assert len(await traffic.seen(alone)) == 22


async def test_no_reset_reaches_beyond_the_inbox_or_ahead(alone: Database, servers: Servers, topics: str) -> None:
    await put(alone, {(topics + "lead-accepted", 0): 0})
    log = log_of(servers, topics)
    with pytest.raises(BeyondInbox) as refused:
        await offsets.reset(alone, log, to=datetime.now(UTC) - timedelta(days=30), topics=[], author=ANN, reason=WHY)
    assert refused.value.code == "BEYOND_INBOX"
    with pytest.raises(Invalid):
        await offsets.reset(alone, log, to=datetime.now(UTC) + timedelta(minutes=1), topics=[], author=ANN, reason=WHY)
    for topic in ("lead-accepted", topics + "no-such"):
        with pytest.raises(Invalid):
            await offsets.reset(alone, log, to=datetime.now(UTC) - timedelta(days=1), topics=[topic], author=ANN, reason=WHY)
    async with alone.engine.connect() as connection:
        days: Sequence[str] = list(
            (await connection.execute(text("SELECT relname FROM pg_class WHERE relname ~ '^inbox_p[0-9]{8}$'"))).scalars()
        )
    first = datetime.strptime(min(days)[-8:], "%Y%m%d").replace(tzinfo=UTC)
    assert await offsets.reset(alone, log, to=first, topics=[], author=ANN, reason=WHY) == []
    with pytest.raises(BeyondInbox):
        await offsets.reset(alone, log, to=first - timedelta(seconds=1), topics=[], author=ANN, reason=WHY)


async def test_a_position_that_somebody_else_has_moved_is_left_to_them(alone: Database, servers: Servers, topics: str) -> None:
    place = (topics + "lead-accepted", 0)
    await put(alone, {place: 7, (topics + "lead-accepted", 1): 3})
    stale = [Move(topic=place[0], part=part, before=before, after=0, reason=ASKED) for part, before in ((0, 6), (1, 3))]
    with pytest.raises(PositionsMoved):
        await offsets._move(alone, stale, author=ANN, action="offsets.repair", reason=WHY)
    assert await positions_of(alone) == {place: 7, (topics + "lead-accepted", 1): 3}
    assert await rows(alone, "audit_log") == []
