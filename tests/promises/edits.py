"""The texts that broken variants change. Each is the smallest change that breaks one promise."""

from __future__ import annotations

from typing import Final

from tests.promises.variants import Edit

CURSOR: Final = "shared.outbox.cursor"
WRITING: Final = "shared.outbox.writing"
RELAY: Final = "shared.outbox.relay"
APPLYING: Final = "shared.inbox.applying"
PRODUCING: Final = "shared.outbox.producing"
CLIENTS: Final = "shared.inbox.clients"
SUPERVISOR: Final = "shared.runtime.supervisor"
EDGE: Final = "shared.http.edge"
TRANSACTION: Final = "shared.db.transaction"
RESTORING: Final = "shared.outbox.restoring"
RETENTION: Final = "shared.outbox.retention"

ID_ONLY = (
    Edit(
        module=CURSOR,
        old="WHERE o.xid >= pg_snapshot_xmax($2::text::pg_snapshot) AND pg_visible_in_snapshot(o.xid, t.s)\n  UNION",
        new="WHERE o.id > $3\n  UNION",
    ),
    Edit(module=CURSOR, old="JOIN outbox o ON o.xid = x.xid, t", new="JOIN outbox o ON false, t"),
    Edit(module=CURSOR, old="BY_ID if backlog else BY_SNAPSHOT", new="BY_SNAPSHOT"),
    Edit(
        module=CURSOR,
        old="    return Cursor(base=page.target)\n",
        new="    return Cursor(base=page.target, last_id=page.rows[-1].id if page.rows else cursor.last_id)\n",
    ),
)

TARGET_AFTER_ROWS = (
    Edit(
        module=CURSOR,
        old='    waiting = found[0]["found"] or 0\n',
        new=(
            '    waiting = found[0]["found"] or 0\n'
            '    target = await connection.fetchval("SELECT coalesce($1, pg_current_snapshot()::text)", cursor.target)\n'
        ),
    ),
    Edit(module=CURSOR, old='return Page(page, found[0]["target"], full=', new="return Page(page, target, full="),
)

BY_XID_AND_ID = (
    Edit(module=CURSOR, old="d AS MATERIALIZED (\n  SELECT o.id,", new="d AS MATERIALIZED (\n  SELECT o.xid, o.id,"),
    Edit(module=CURSOR, old="UNION ALL\n  SELECT o.id,", new="UNION ALL\n  SELECT o.xid, o.id,"),
    Edit(module=CURSOR, old="d AS (\n  SELECT o.id,", new="d AS (\n  SELECT o.xid, o.id,"),
    Edit(module=CURSOR, old="      SELECT id, created_at,", new="      SELECT xid, id, created_at,"),
    Edit(module=CURSOR, old='ORDER BY p.id"""', new='ORDER BY p.xid, p.id"""'),
    Edit(module=CURSOR, old="last_id=page.rows[-1].id)", new="last_id=max(row.id for row in page.rows))"),
)

ROW_BEFORE_NUMBER = (
    Edit(
        module=WRITING,
        old="    taken = await driver.fetch(_TAKE_NUMBERS,",
        new=(
            "    taking = \"SELECT nextval('outbox_id_seq') FROM generate_series(1, $1)\"\n"
            "    ids = [row[0] for row in await driver.fetch(taking, len(outgoing))]\n"
            "    taken = await driver.fetch(_TAKE_NUMBERS,"
        ),
    ),
    Edit(module=WRITING, old="INSERT INTO outbox (event_id,", new="INSERT INTO outbox (id, event_id,"),
    Edit(module=WRITING, old="SELECT event_id, topic, key, headers, payload\n", new="SELECT id, event_id, topic, key, headers, payload\n"),
    Edit(module=WRITING, old="$4::jsonb[], $5::bytea[])", new="$4::jsonb[], $5::bytea[], $6::bigint[])"),
    Edit(module=WRITING, old="payload, place)", new="payload, id, place)"),
    Edit(module=WRITING, old="for column in zip(*columns, strict=True)))", new="for column in zip(*columns, strict=True)), ids)"),
)

NO_INBOX = (
    Edit(
        module=APPLYING,
        old='        fresh = set((await tx.execute(_TAKE, {"ids": [each for each in ids if each not in outside]})).scalars())\n',
        new="        fresh = {each for each in ids if each not in outside}\n",
    ),
)
POSITION_UNCHECKED = (Edit(module=APPLYING, old="WHERE c.next_offset = w.expected ORDER BY", new="ORDER BY"),)

SKIP_ON_ERROR = (
    Edit(
        module=APPLYING,
        old="            if kept:\n                await parking.park(",
        new="            if not tx:\n                await parking.park(",
    ),
)
WHOLE_CHUNK_AGAIN = (
    Edit(
        module=APPLYING,
        old="            if is_passing(error):\n                raise\n            self._days.clear()",
        new="            if error:\n                raise\n            self._days.clear()",
    ),
)
FOLLOWERS_APPLIED = (
    Edit(
        module=APPLYING,
        old="        held = await parking.held(tx, (key for each in readings if (key := parking.key_of(each.record))))\n",
        new="        held: set[str] = set()\n",
    ),
)

INBOX_DAYS_DROPPED_EARLY = (
    Edit(module=RETENTION, old='"inbox": today - timedelta(days=inbox_days)', new='"inbox": today - timedelta(days=3)'),
)
DROPPED_UNSEEN = (Edit(module=RETENTION, old='    if parent == "inbox":\n', new="    if parent:\n"),)
INBOX_SHORTER_THAN_OUTBOX = (
    Edit(module=RETENTION, old="    if not topic_days <= outbox_days < inbox_days:\n", new="    if topic_days < 0:\n"),
    Edit(module=RETENTION, old="INBOX_DAYS = 21\n", new="INBOX_DAYS = 10\n"),
)

CURSOR_BEFORE_ACK = (
    Edit(
        module=RELAY,
        old="            offsets = await producing.publish(",
        new=(
            "            await cursors.save(self._connection, cursors.advance(self._cursor, page))\n"
            "            offsets = await producing.publish("
        ),
    ),
)
POSITION_FIRST = (
    Edit(
        module=APPLYING,
        old='            await _move(tx, moves, positions)\n            failpoints.reached("chunk.after_position")\n',
        new=(
            "            await _move(tx, moves, positions)\n"
            "        async with self._database.transaction() as tx:\n"
            '            failpoints.reached("chunk.after_position")\n'
        ),
    ),
)

TRANSACTION_OF_A_DEPENDENCY = (
    Edit(
        module=EDGE,
        old="        async with edge.database.figures() if self.requirement.figures else edge.database.transaction() as tx:\n",
        new=(
            "        # What a framework does for a dependency that yields: it is left once the answer has been sent.\n"
            "        tx = await request.scope['fastapi_inner_astack'].enter_async_context(edge.database.transaction())\n"
            "        if tx:\n"
        ),
    ),
)
WOKEN_INSIDE = (
    Edit(
        module=TRANSACTION,
        old="                    sent = await tx.flush()\n",
        new="                    sent = await tx.flush()\n                    if sent:\n                        self.woken()\n",
    ),
    Edit(module=TRANSACTION, old="        if sent:\n            self.woken()\n", new="        if not sent:\n            return\n"),
)

CURSOR_NOT_WRITTEN_AT_STOP = (Edit(module=RELAY, old="        await self._write(at_most_every=0)\n", new="        return\n"),)
UNLIMITED_STOP = (
    Edit(module=PRODUCING, old="    await asyncio.wait({task}, timeout=STOP_SECONDS)\n", new="    await asyncio.wait({task})\n"),
    Edit(module=CLIENTS, old="    await asyncio.wait({task}, timeout=5)\n", new="    await asyncio.wait({task})\n"),
    Edit(module=SUPERVISOR, old="STOP_SECONDS = 25.0", new="STOP_SECONDS = 2500.0"),
)

PRODUCER_KEPT = (
    Edit(
        module=RELAY,
        old="            producer = await producing.start(self._bootstrap, self._client_id)\n",
        new=(
            "            producer = getattr(self, '_kept', None) or await producing.start(self._bootstrap, self._client_id)\n"
            "            self._kept = producer\n"
        ),
    ),
    Edit(module=RELAY, old="                await producing.abandon(producer)\n", new=""),
)
NO_DEADLINE = (
    Edit(
        module=PRODUCING,
        old="    async with asyncio.timeout(SEND_SECONDS):\n        for topic in",
        new="    async with asyncio.timeout(None):\n        for topic in",
    ),
)
SEVERAL_BATCHES = (Edit(module=PRODUCING, old="max_batch_size=1_000_000,", new="max_batch_size=16_384,"),)

IDENTITY_UNCHECKED = (
    Edit(
        module=CURSOR,
        old=(
            "FROM outbox_cursor c JOIN pg_control_system() s USING (system_identifier)\n"
            "WHERE c.name = $1 AND pg_current_xact_id() >= pg_snapshot_xmax(c.base)"
        ),
        new="FROM outbox_cursor c WHERE c.name = $1",
    ),
)
RESTORED_LEFT_OUT = (
    Edit(
        module=RESTORING,
        old='    server_settings = {"application_name": "restored"',
        new=(
            "    if dsn:\n        return Report(records=0, unreadable=0, raised=(), lacking=())\n"
            '    server_settings = {"application_name": "restored"'
        ),
    ),
)

POLLING_ONLY = (
    Edit(module=RELAY, old="IDLE_SECONDS = 0.2\n", new="IDLE_SECONDS = 0.5\n"),
    Edit(module=RELAY, old="                await self._wake.wait()\n", new="                await asyncio.Event().wait()\n"),
)
OLDEST_TRANSACTION = (
    Edit(
        module=CURSOR,
        old="coalesce($1::text::pg_snapshot, pg_current_snapshot()) AS s)",
        new=(
            "coalesce($1::text::pg_snapshot, (pg_snapshot_xmin(pg_current_snapshot())::text || ':' ||"
            " pg_snapshot_xmin(pg_current_snapshot())::text || ':')::pg_snapshot) AS s)"
        ),
    ),
)
EVENT_BY_EVENT = (
    Edit(
        module=APPLYING,
        old="        await self._apply([self._read(record) for record in records], positions)\n",
        new="        for record in records:\n            await self._apply([self._read(record)], positions)\n",
    ),
)

BY_ARRIVAL = (
    Edit(
        module="services.marketing.lifecycles.usecases",
        old="        await _relocate(tx, known, cause=cause)\n\n\nasync def _relocate",
        new=(
            "        from dataclasses import replace\n\n"
            "        last = {entry.lead_id: entry for entry in entries}\n"
            "        moved = [replace(known[key], stage=each.stage, entered_at=each.entered_at) for key, each in last.items()]\n"
            "        await store.save_lifecycles(tx, moved, cause=cause)\n\n\nasync def _relocate"
        ),
    ),
)
