"""S1: outbox, inbox and parking against a small model in memory, step by step, in whatever order Hypothesis thinks of."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import asyncpg
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from shared.db.audit import Author
from shared.db.transaction import Database
from shared.ids import new_id
from shared.inbox import parked
from shared.inbox.decoding import Record
from shared.inbox.draining import Drain
from shared.outbox import cursor as cursors
from shared.outbox import stamping
from tests import kit
from tests.integration.shared import sample, traffic
from tests.promises import ages, shelf
from tests.promises.ground import Ground
from tests.promises.shelf import ACCEPTED
from tests.promises.verdicts import Findings

T = TypeVar("T")

KEYS = 2
KEY = st.integers(0, KEYS - 1)
EXAMPLES, FEWER = 40, 40
STEPS = 30

AUTHOR = Author(principal="test")
_EMPTY = (
    "TRUNCATE outbox, outbox_cursor, outbox_position, inbox, seen, parked_key, parked_event, consumer_offset,"
    " aggregate_sequence, aggregate_seen, audit_log"
)


_WITHOUT_HASTE = text("SET LOCAL idle_in_transaction_session_timeout = 0")


class DivergedError(AssertionError):
    """The database is not what the model says."""


@dataclass(slots=True)
class Model:
    """What must be: events are (key, number)."""

    committed: list[tuple[int, int]] = field(default_factory=list)
    log: list[tuple[int, int]] = field(default_factory=list)
    known: set[tuple[int, int]] = field(default_factory=set)
    applied: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    held: dict[int, deque[int]] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    position: int = 0

    def read(self, count: int) -> None:
        """The next so many records of the log: a copy is nothing, an event of a held key waits, a refused one holds its key."""
        for key, number in self.log[self.position : self.position + count]:
            if (key, number) not in self.known:
                self.known.add((key, number))
                if key in self.held or key in self.refused:
                    self.held.setdefault(key, deque()).append(number)
                else:
                    self.applied[key].append(number)
        self.position = min(self.position + count, len(self.log))

    def drain(self, key: int) -> None:
        """What is held is applied in order, up to one that is refused."""
        while key not in self.refused and self.held.get(key):
            self.applied[key].append(self.held[key].popleft())
        if not self.held.get(key):
            self.held.pop(key, None)


class Site:
    """The database and what works on it, reached from the steps of the machine."""

    def __init__(self, url: str, service: str) -> None:
        self._runner = asyncio.Runner()
        self._url, self._service = url, service
        self.steps = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Does it now."""
        return self._runner.run(work)

    def open(self) -> None:
        """An empty database."""
        self.database = Database(self._url, service=self._service)
        self.refusing = shelf.Refusing(every=True)
        self.applier = shelf.applier_of(self.database, self.refusing, max_held_keys=1_000)
        self.drain = Drain(self.database, self.applier)
        self.reader: asyncpg.Connection = self.run(ages.connect(self.database))
        self.run(self.reader.execute(_EMPTY))
        self.run(self.reader.execute("INSERT INTO consumer_offset VALUES ($1, $2, 0)", *ACCEPTED))
        self.run(cursors.open_at_start(self.reader))

    def close(self) -> None:
        """Nothing stays open."""
        self.run(self.reader.close())
        self.run(self.database.close())


class Backbone(RuleBasedStateMachine):
    """Writers that overlap, a relay that loses its cursor, a reader that goes back, a drain, and a person."""

    site: ClassVar[Site]

    @initialize()
    def begin(self) -> None:
        self.site.open()
        self.model = Model()
        self.subjects = [new_id() for _ in range(KEYS)]
        self.records: list[Record] = []
        self.writing: dict[int, tuple[AsyncExitStack, int]] = {}
        self.numbers = [0] * KEYS
        self.cursor = cursors.Cursor(base="1:1:")

    @rule(key=KEY, count=st.integers(1, 3))
    def write(self, key: int, count: int) -> None:
        if key not in self.writing:
            self.site.run(self._write(key, count))
            self._committed(key, count)

    @rule(key=KEY)
    def arrive(self, key: int) -> None:
        """An event goes the whole way at once, behind all that lies before it."""
        self.write(key, 1)
        self.publish(True)
        self.read(len(self.records))

    @rule(key=KEY)
    def begin_writing(self, key: int) -> None:
        """An event with its number, its row and its transaction id: what commits meanwhile has higher ones."""
        if key not in self.writing:
            self.writing[key] = (self.site.run(self._open(key)), 1)

    @rule(key=KEY, commits=st.booleans())
    def finish_writing(self, key: int, commits: bool) -> None:
        if key in self.writing:
            stack, count = self.writing.pop(key)
            self.site.run(self._finish(stack, commits))
            if commits:
                self._committed(key, count)

    @rule(saved=st.booleans())
    def publish(self, saved: bool) -> None:
        """A page goes into the log; where the cursor is not stored, it comes again."""
        page = self.site.run(cursors.read_page(self.site.reader, self.cursor, backlog=False, rows=4))
        for row in page.rows:
            self._append(row)
        if saved:
            self.cursor = cursors.advance(self.cursor, page)
            self.site.run(cursors.save(self.site.reader, self.cursor))

    @rule()
    def republish(self) -> None:
        self.site.run(stamping.republish(_dsn(self.site.database), principal="test", reason="replay", rate=1e6))

    @rule(count=st.integers(1, 8))
    def read(self, count: int) -> None:
        chunk = self.records[self.model.position : self.model.position + count]
        if chunk:
            self.site.run(self.site.applier.apply(chunk, {ACCEPTED: self.model.position}))
            self.model.read(len(chunk))

    @rule(back=st.integers(1, 20))
    def go_back(self, back: int) -> None:
        self.model.position = max(0, self.model.position - back)
        self.site.run(self.site.reader.execute("UPDATE consumer_offset SET next_offset = $1", self.model.position))

    @rule(key=KEY)
    def refuse(self, key: int) -> None:
        self.model.refused ^= {key}
        self.site.refusing.subjects ^= {self.subjects[key]}

    @rule(key=KEY)
    def retry(self, key: int) -> None:
        if key in self.model.held:
            self.site.run(shelf.ask_again(self.site.database, str(self.subjects[key])))
            self.site.run(shelf.drained(self.site.drain))
            self.model.drain(key)

    @rule(key=KEY)
    def discard(self, key: int) -> None:
        if key in self.model.held:
            self.site.run(self._discard(key))
            self.model.held[key].popleft()
            self.site.run(shelf.drained(self.site.drain))  # what waits behind it is tried at once
            self.model.drain(key)

    @invariant()
    def is_as_the_model_says(self) -> None:
        if hasattr(self, "model"):
            self.site.steps += 1
            self.site.run(self._compare())

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        try:
            for key in list(self.writing):
                self.finish_writing(key, True)
            for _ in range(200):
                before = len(self.records)
                self.publish(True)
                if len(self.records) == before:
                    break
            self.read(len(self.records))
            self.site.run(self._compare())
            missing = set(self.model.committed) - self.model.known
            if missing:
                raise DivergedError(f"{len(missing)} committed events were never read")
        finally:
            self.site.close()

    async def _write(self, key: int, count: int) -> None:
        async with self.site.database.transaction() as tx:
            for _ in range(count):
                tx.emit(sample.accepted(self.subjects[key], tx.now), cause=kit.cause())

    async def _open(self, key: int) -> AsyncExitStack:
        stack = AsyncExitStack()
        tx = await stack.enter_async_context(self.site.database.transaction())
        await tx.execute(_WITHOUT_HASTE)
        tx.emit(sample.accepted(self.subjects[key], tx.now), cause=kit.cause())
        await tx.flush()
        return stack

    async def _finish(self, stack: AsyncExitStack, commits: bool) -> None:
        try:
            async with stack:
                if not commits:
                    raise traffic.Undone
        except traffic.Undone:
            pass

    async def _discard(self, key: int) -> None:
        async with self.site.database.transaction() as tx:
            first = min(one.id for one in await parked.list_parked(tx, parked.Filter(state="open", key=str(self.subjects[key])), limit=50))
            await parked.discard(tx, first, author=AUTHOR, reason="not wanted")

    def _committed(self, key: int, count: int) -> None:
        for _ in range(count):
            self.numbers[key] += 1
            self.model.committed.append((key, self.numbers[key]))

    def _append(self, row: cursors.Row) -> None:
        record = shelf.record_of_row(row, len(self.records))
        self.records.append(record)
        self.model.log.append((self.subjects.index(shelf.subject_of(record)), shelf.number_of(record)))

    async def _compare(self) -> None:
        model, names = self.model, {str(subject): key for key, subject in enumerate(self.subjects)}
        applied: dict[int, list[int]] = defaultdict(list)
        for row in await self.site.reader.fetch("SELECT subject, sequence FROM seen ORDER BY place"):
            applied[names[str(row["subject"])]].append(row["sequence"])
        _same("applied", dict(applied), {key: found for key, found in model.applied.items() if found})
        waiting: dict[int, int] = defaultdict(int)
        for row in await self.site.reader.fetch("SELECT key FROM parked_event WHERE state = 'open'"):
            waiting[names[row["key"]]] += 1
        _same("waiting", dict(waiting), {key: len(found) for key, found in model.held.items()})
        held = {names[row["key"]] for row in await self.site.reader.fetch("SELECT key FROM parked_key")}
        _same("held", held, set(model.held))
        _same("inbox", await self.site.reader.fetchval("SELECT count(*) FROM inbox"), len(model.known))
        _same("position", await self.site.reader.fetchval("SELECT next_offset FROM consumer_offset"), model.position)


def _same(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise DivergedError(f"{what}: {found}, the model says {wanted}")


async def try_model(ground: Ground, findings: Findings) -> None:
    """S1: checked are the comparisons of the whole state, one after each step."""
    database = await ground.database()
    site = Site(database.engine.url.render_as_string(hide_password=False), ground.service.name)
    problem = await asyncio.to_thread(_run, site, ground.seed, EXAMPLES if ground.real else FEWER, ground.real)
    findings.claim(problem is None, problem or "")
    findings.checked = site.steps
    findings.count(states_compared=site.steps)


def _run(site: Site, number: int, examples: int, shrinks: bool) -> str | None:
    phases = [Phase.generate, Phase.shrink] if shrinks else [Phase.generate]
    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
            HealthCheck.large_base_example,
        ],
        print_blob=False,
    )
    try:
        machine = type("BackboneOfThis", (Backbone,), {"site": site})
        run_state_machine_as_test(seed(number)(machine), settings=chosen)
    except DivergedError as error:
        return str(error)[:500]
    return None


def _dsn(database: Database) -> str:
    return database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
