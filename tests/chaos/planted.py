"""Bugs that a sound judge must find. Each is put into the services' source as they start; the product holds no switch for any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tests.chaos.scenario import Outcome
from tests.promises import edits
from tests.promises.variants import Edit

RELAY: Final = "shared.outbox.relay"
CURSOR: Final = "shared.outbox.cursor"
APPLYING: Final = "shared.inbox.applying"
CONSUMER: Final = "shared.inbox.consumer"
CLIENTS: Final = "shared.inbox.clients"
PARKING: Final = "shared.inbox.parking"
EDGE: Final = "shared.http.edge"
PROCESS: Final = "shared.runtime.process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """What is wrong, the faults and fail-points under which it shows (none: the load alone), and the invariants of which one must break.

    A fault is repeated where each time it shows by chance: half of the callers never ask again for what they were not told.
    """

    what: str
    edits: Sequence[Edit]
    faults: Sequence[str]
    breaks: Sequence[str]


CURSOR_FIRST = Edit(
    module=RELAY,
    old="            await self._send(producer, page)\n",
    new="""\
            before = self._cursor
            self._cursor = cursors.advance(before, page)
            await cursors.save(self._connection, self._cursor)
            self._cursor = before
            await self._send(producer, page)
""",
)

POSITION_FIRST = Edit(
    module=APPLYING,
    old="""\
        async with self._database.transaction() as tx:
            await _move(tx, moves, positions)
""",
    new="""\
        async with self._database.transaction() as own:
            await _move(own, moves, positions)
        async with self._database.transaction() as tx:
""",
)

KAFKA_DECIDES = (
    Edit(
        module=CLIENTS,
        old="        enable_auto_commit=False,\n",
        new="        enable_auto_commit=True,\n        auto_commit_interval_ms=100,\n",
    ),
    Edit(
        module=CONSUMER,
        old="            for tp in parts:\n                part = (tp.topic, tp.partition)\n",
        new="""\
            async with self._database.transaction() as own:
                for tp in parts:
                    positions[tp.topic, tp.partition] = at = await consumer.committed(tp) or beginnings[tp]
                    changed = text("UPDATE consumer_offset SET next_offset = :at WHERE topic = :topic AND part = :part")
                    await own.execute(changed, {"at": at, "topic": tp.topic, "part": tp.partition})
            for tp in parts:
                part = (tp.topic, tp.partition)
""",
    ),
    Edit(module=CONSUMER, old="POSITION_SECONDS = 3.0", new="POSITION_SECONDS = 15.0"),
    Edit(
        module=CONSUMER,
        old="        if time.monotonic() - self._committed < at_most_every:\n",
        new="        if at_most_every >= 0 or time.monotonic() - self._committed < at_most_every:\n",
    ),
)

NEW_GROUP_AT_END = Edit(
    module=CONSUMER,
    old="self._read_positions({(tp.topic, tp.partition): beginnings[tp] for tp in parts})",
    new="self._read_positions({(tp.topic, tp.partition): ends[tp] for tp in parts})",
)

LATEST_TARGET = Edit(
    module=CURSOR,
    old="SELECT coalesce($1::text::pg_snapshot, pg_current_snapshot()) AS s",
    new=(
        "SELECT coalesce($1::text::pg_snapshot,"
        " (pg_snapshot_xmin(pg_current_snapshot())::text || ':' || pg_snapshot_xmin(pg_current_snapshot())::text || ':')::pg_snapshot) AS s"
    ),
)

ANSWER_APART = (
    Edit(
        module=EDGE,
        old="            if asked.key is not None:\n                await idempotency.keep(tx, asked.key, response)\n",
        new="",
    ),
    Edit(
        module=EDGE,
        old='        failpoints.reached("edge.after_commit")\n',
        new="""\
        failpoints.reached("edge.after_commit")
        if asked.key is not None:
            async with edge.database.transaction() as own:
                await idempotency.keep(own, asked.key, response)
""",
    ),
)

VERSION_IGNORED = Edit(module=EDGE, old="requests.if_match(request) if self.requirement.if_match else None", new="None")

BYTES_LOST = Edit(
    module=PARKING,
    old="kafka_ts, event_id, value, key, raw_key, headers::jsonb",
    new="kafka_ts, event_id, NULL, key, raw_key, headers::jsonb",
)

SKIPPED = Edit(
    module=APPLYING,
    old="            if kept:\n                await parking.park(",
    new="            if not kept and kept:\n                await parking.park(",
)

CONTENT_LOGGED = Edit(
    module=EDGE,
    old="            limit = FIGURE_SECONDS",
    new='            log.info("asked", body=(await request.body()).decode(errors="replace")[:4000])\n            limit = FIGURE_SECONDS',
)

PRESENT_AT_TAKEOVER = Edit(
    module=RELAY,
    old="        cursor = await cursors.find(connection)\n",
    new="""\
        cursor = await cursors.find(connection)
        if cursor is not None and await connection.fetchval("SELECT count(*) > 0 FROM outbox_position"):
            cursor = Cursor(base=await connection.fetchval("SELECT pg_current_snapshot()::text"))
""",
)

HELD_IGNORED = Edit(
    module=APPLYING,
    old="each.event is not None and key not in held:",
    new="each.event is not None:",
)

DEAD_RELAY = (
    Edit(
        module=RELAY,
        old="            except (kafka.KafkaError, asyncpg.PostgresError, *failures.PASSING) as error:\n",
        new="            except ZeroDivisionError as error:\n",
    ),
    Edit(
        module=PROCESS,
        old='"relay": relay.run,',
        new='"relay": lambda: asyncio.wait({asyncio.create_task(relay.run()), asyncio.create_task(asyncio.Event().wait())}),',
    ),
)

BUGS: Mapping[str, Bug] = {
    "B1": Bug(
        what="relay advances its cursor before the acknowledgement", edits=[CURSOR_FIRST], faults=["relay.after_read", "F8"], breaks=["I1"]
    ),
    "B2": Bug(
        what="consumer offset committed in its own transaction before the effects",
        edits=[POSITION_FIRST],
        faults=["chunk.after_position", "F4"],
        breaks=["I1", "I5"],
    ),
    "B3": Bug(
        what="consumer starts from Kafka's committed offset, auto-commit on",
        edits=KAFKA_DECIDES,
        faults=["F4", "F3", "F4"],
        breaks=["I1", "I5"],
    ),
    "B4": Bug(what="a missing offset row means the latest", edits=[NEW_GROUP_AT_END], faults=["F26"], breaks=["I1"]),
    "B5": Bug(what="inbox removed", edits=edits.NO_INBOX, faults=["F2", "F22"], breaks=["I3"]),
    "B6": Bug(what="relay reads id > last_id", edits=edits.ID_ONLY, faults=[], breaks=["I1"]),
    "B7": Bug(
        what="relay orders by (xid, id) below the oldest running transaction",
        edits=[*edits.BY_XID_AND_ID, LATEST_TARGET],
        faults=[],
        breaks=["I4"],
    ),
    "B8": Bug(what="idempotency row in its own transaction", edits=ANSWER_APART, faults=["edge.after_commit"] * 8, breaks=["I6"]),
    "B9": Bug(what="If-Match ignored", edits=[VERSION_IGNORED], faults=[], breaks=["I7"]),
    "B11": Bug(what="parking does not keep the bytes", edits=[BYTES_LOST], faults=["F24"], breaks=["I8"]),
    "B12": Bug(what="consumer skips on error", edits=[SKIPPED], faults=["F24"], breaks=["I1", "I8"]),
    "B13": Bug(what="personal data in one log line", edits=[CONTENT_LOGGED], faults=[], breaks=["I12"]),
    "B14": Bug(what="a relay that takes over starts at the present", edits=[PRESENT_AT_TAKEOVER], faults=["F2", "F34"], breaks=["I1"]),
    "B15": Bug(what="later events of a held key are applied", edits=[HELD_IGNORED], faults=["F24"], breaks=["I4"]),
    "B16": Bug(what="a dead relay task leaves the process running and ready", edits=DEAD_RELAY, faults=["F10"], breaks=["I9"]),
}


def judged(outcome: Outcome) -> Outcome:
    """A run with a planted bug passes if the judge found it, by an invariant that the bug breaks."""
    bug = BUGS[outcome.plan.name]
    caught = sorted(set(outcome.broken) & set(bug.breaks))
    told = "caught by " + ", ".join(caught) if caught else f"not caught: {bug.what}; broken were {', '.join(outcome.broken) or 'none'}"
    return replace(outcome, result="PASS" if caught else "FAIL", against=[told, *outcome.against])
