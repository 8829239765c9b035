"""What an operator has the service's own code do beside its roles: `python -m services.<name> offsets|republish|restored`.

Each is a job with the settings and rights of the service. It answers in JSON lines on standard output, among the log's: `told` is
`progress`, at the end `result`, or `refused` with a code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json

from shared.db import audit
from shared.db.audit import Author
from shared.db.transaction import Database
from shared.errors import Refusal
from shared.events import language
from shared.inbox import offsets
from shared.inbox.offsets import Log, Move
from shared.outbox import restoring, stamping
from shared.runtime.service import Service
from shared.runtime.settings import Settings

JOBS: Final = ("offsets", "republish", "restored")
FAILED: Final = 1


def parse(name: str, arguments: Sequence[str]) -> argparse.Namespace:
    """What is asked for, the job's name first. Ends the process with 2 and its usage where that is not understood."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{name}", allow_abbrev=False)
    jobs = parser.add_subparsers(dest="job", required=True)
    republish = jobs.add_parser("republish", help="send published events again", allow_abbrev=False)
    republish.add_argument("--since", type=_time, help="recorded then or later")
    republish.add_argument("--until", type=_time, help="recorded before then")
    republish.add_argument("--topic")
    republish.add_argument("--key")
    republish.add_argument("--event-id", type=UUID)
    republish.add_argument("--rate", type=_positive, default=stamping.RATE, help="events a second")
    republish.add_argument("--dry-run", action="store_true", help="only count them")
    _by(republish)
    _by(jobs.add_parser("restored", help="after a restore to an earlier point, before the service starts", allow_abbrev=False))
    positions = jobs.add_parser("offsets", help="how far the service has read", allow_abbrev=False)
    steps = positions.add_subparsers(dest="step", required=True)
    steps.add_parser("show", allow_abbrev=False)
    repair = steps.add_parser("repair", help="go on where a log that lost records does", allow_abbrev=False)
    reset = steps.add_parser("reset", help="read again from a time on", allow_abbrev=False)
    reset.add_argument("--to-time", type=_time, required=True)
    for step in (repair, reset):
        step.add_argument("--topic", action="append", default=[], help="only this one; may be given again")
        _by(step)
    return parser.parse_args(list(arguments))


async def run(service: Service, given: Settings, asked: argparse.Namespace) -> int:
    """The exit code of a job: 0, or 1 where it is refused, with the code on standard output. Servers that are away raise their errors."""
    database = Database(given.dsn, service=service.name, pool_size=2)
    try:
        job = {"republish": _republish, "restored": _restored, "offsets": _offsets}[asked.job]
        await job(service, given, database, asked)
    except Refusal as refusal:
        errors = "; ".join(error.message for error in refusal.errors)
        _tell(
            "refused",
            code=refusal.errors[0].code if refusal.errors else refusal.code,
            detail=errors or refusal.detail,
            context=refusal.data,
        )
        return FAILED
    except restoring.RelayRuns as refusal:
        _tell("refused", code="RELAY_RUNS", detail=str(refusal), context={})
        return FAILED
    finally:
        await database.close()
    return 0


async def _republish(_: Service, given: Settings, __: Database, asked: argparse.Namespace) -> None:
    chosen = {name: getattr(asked, name) for name in ("since", "until", "topic", "key", "event_id")}
    by = {"principal": asked.principal, "reason": asked.reason}
    total = await stamping.republish(_plain(given), **chosen, **by, dry_run=True)
    _tell("progress", events=0, total=total)
    if asked.dry_run:
        _tell("result", events=total, dry_run=True)
        return

    def on_progress(count: int) -> None:
        _tell("progress", events=count, total=total)

    sent = await stamping.republish(_plain(given), **chosen, **by, rate=asked.rate, on_progress=on_progress)
    _tell("result", events=sent, dry_run=False)


async def _restored(service: Service, given: Settings, database: Database, asked: argparse.Namespace) -> None:
    language.load()
    own = [kind.name for cls in language.declared() if (kind := language.type_of(cls)).producer == service.name]
    # Before it is begun: what it raises may be more than one attempt gets told.
    async with database.transaction() as tx:
        who = Author(principal=asked.principal)
        await audit.record(
            tx, who, action="db.restored", object_type="aggregate_sequence", object_id="all", fields=["last"], reason=asked.reason
        )
    report = await restoring.restored(_plain(given), given.kafka, own, given.topic_prefix)
    _tell(
        "result",
        records=report.records,
        unreadable=report.unreadable,
        raised=len(report.raised),
        lacking=[asdict(one) for one in report.lacking],
    )


async def _offsets(service: Service, given: Settings, database: Database, asked: argparse.Namespace) -> None:
    log = Log(bootstrap=given.kafka, group=given.topic_prefix + service.name)
    if asked.step == "show":
        positions, members = await offsets.show(database, log)
        _tell("result", positions=[asdict(one) for one in positions], members=[asdict(one) for one in members])
        return
    topics = [given.topic_prefix + topic for topic in asked.topic]
    author = Author(principal=asked.principal)
    if asked.step == "repair":
        moves = await offsets.repair(database, log, topics=topics, author=author, reason=asked.reason)
    else:
        moves = await offsets.reset(database, log, to=asked.to_time, topics=topics, author=author, reason=asked.reason)
    owners = _owners(service, given) if asked.step == "repair" else {}
    _tell("result", moves=[asdict(move) for move in moves], republish=_commands(moves, owners))


def _owners(service: Service, given: Settings) -> Mapping[str, tuple[str, str]]:
    """The owner of each topic that the service reads, and the topic's name in the owner's outbox."""
    kinds = [language.type_of(event) for event in service.listens_to]
    return {given.topic_prefix + kind.name: (kind.producer, kind.name) for kind in kinds}


def _commands(moves: Sequence[Move], owners: Mapping[str, tuple[str, str]]) -> list[list[str]]:
    """What the owners of these topics are to run, so that what the log has lost comes again."""
    named = sorted({owners[move.topic] for move in moves if move.topic in owners})
    return [["baton", "outbox", "republish", owner, "--topic", topic, "--reason", "its log lost records"] for owner, topic in named]


def _by(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--principal", type=_said, required=True, help="who asks: it stays in the audit log")
    parser.add_argument("--reason", type=_said, required=True, help="why: it stays in the audit log")


def _tell(what: str, **said: Any) -> None:
    sys.stdout.write(to_json({"told": what, **said}).decode() + "\n")
    sys.stdout.flush()


def _plain(given: Settings) -> str:
    return given.dsn.replace("postgresql+asyncpg://", "postgresql://", 1)


def _time(given: str) -> datetime:
    instant = datetime.fromisoformat(given)
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError("a time needs its offset from UTC, as in 2026-03-02T12:00:00Z")
    return instant.astimezone(UTC)


def _positive(given: str) -> float:
    number = float(given)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("a rate is above 0")
    return number


def _said(given: str) -> str:
    if not given.strip() or "\0" in given or len(given) > 500:
        raise argparse.ArgumentTypeError("1 to 500 characters")
    return given
