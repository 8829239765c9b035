"""Faults of what Baton stands on: the broker, PostgreSQL, and the network between them and the services."""

from __future__ import annotations

import http.client
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from baton import ISSUER
from baton.local import processes, servers
from baton.ops import tokens
from tests import breaking
from tests.chaos.namespace import Rule, filtered
from tests.chaos.site import PORTS, SERVICES, wait_until
from tests.chaos.stage import Entry, Stage

ANSWER_SECONDS: Final = 6.0
"""Within so long a request is answered, also when the database says nothing."""

READY_SECONDS: Final = 10.0
AVAILABLE_SHARE: Final = 0.999
DRAIN_FACTOR: Final = 5
CATCH_UP_SECONDS: Final = 600.0
WAITING: Final = """
SELECT o.id FROM outbox o, outbox_cursor c
WHERE NOT pg_visible_in_snapshot(o.xid, c.base)
  AND NOT (c.target IS NOT NULL AND pg_visible_in_snapshot(o.xid, c.target) AND o.id <= c.last_id)"""
UNAVAILABLE: Final = 503
PATHS: Final = {
    "marketing": "/v1/sources",
    "handoff": "/v1/rule-sets",
    "sales": "/v1/offers",
    "distribution": "/v1/orders",
}


def broker_restarted(stage: Stage) -> None:
    """F7: the broker ends cleanly and starts again, several times."""
    _broker(stage, "F7", lambda: servers.stop_kafka(stage.site.folder))


def broker_killed(stage: Stage) -> None:
    """F8: the broker is killed, several times."""
    _broker(stage, "F8", lambda: breaking.kill(stage.site.kept, "kafka"))


def _broker(stage: Stage, name: str, end: Callable[[], object]) -> None:
    with stage.fault(name, "kafka") as entry:
        pids = [_pid(stage, "kafka")]
        for _ in range(int(stage.seconds(5, 2))):
            end()
            stage.pause(0.0, 1.0)
            servers.start_kafka(stage.site.folder)
            pids.append(_pid(stage, "kafka"))
            stage.pause(0.5, 3.0)
        entry.evidence["pids"] = pids
        entry.healed()
        entry.demand("each time another process", len(set(pids)) == len(pids))
        stage.site.wait_ready(stage.site.those(role="worker"))


def postgres_crashed(stage: Stage) -> None:
    """F10: one of PostgreSQL's processes is killed; it is stopped at once; all of it is killed."""
    with stage.fault("F10", "postgres") as entry:
        entry.evidence["backend"] = _kill_backend(stage)
        stage.site.wait_ready(stage.site.members)
        for number in (signal.SIGQUIT, signal.SIGKILL):
            ended = breaking.kill(stage.site.kept, "postgres", number)
            servers.start_postgres(stage.site.folder)
            entry.evidence[number.name] = [ended, _pid(stage, "postgres")]
            stage.site.wait_ready(stage.site.members)
            stage.pause(0.5, 2.0)
        entry.healed()


def _kill_backend(stage: Stage) -> int:
    service = stage.service()
    statement = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND usename = $1 LIMIT 1"
    began = stage.query("postgres", "SELECT pg_postmaster_start_time() AS at, pg_conf_load_time() AS loaded")
    (row, *_) = stage.query("postgres", statement, service)
    backend = processes.Process(pid=row["pid"], started=_started(row["pid"]))
    processes.send(backend, signal.SIGKILL)
    wait_until(lambda: _answers(stage), 30, f"PostgreSQL did not come back ({began})")
    return int(row["pid"])


def database_silent(stage: Stage) -> None:
    """F12: packets between the services and PostgreSQL vanish, both ways and each way alone."""
    for direction in ("both", "to-server", "to-client"):
        with stage.fault("F12", f"postgres, {direction}") as entry:
            with filtered(Rule(port=PORTS["postgres"], direction=direction)) as hit:
                until = time.monotonic() + stage.seconds(60 if direction == "both" else 20, 12 if direction == "both" else 9)
                _ask_all(stage, entry, until)
            entry.evidence["packets"] = dict(hit)
            entry.healed()
            _ready_again(stage, entry)


def broker_silent(stage: Stage) -> None:
    """F13: packets between the services and Kafka vanish; writes go on."""
    with stage.fault("F13", "kafka") as entry:
        with filtered(Rule(port=PORTS["kafka"])) as hit:
            entry.expects["piled_seconds"] = piled = stage.seconds(120, 20)
            time.sleep(piled)
            waiting = [one.counter("baton_outbox_oldest_unpublished_seconds") for one in stage.site.those(role="worker")]
        entry.evidence |= {"packets": dict(hit), "oldest_waited_seconds": round(max(waiting), 1)}
        entry.healed()
        stage.site.wait_ready(stage.site.those(role="worker"))


def broker_away(stage: Stage, seconds: float) -> None:
    """Kafka is stopped for long under steady writes: they go on, and the backlog drains several times faster than it grew."""
    with stage.fault("kafka-away", "kafka") as entry:
        entry.expects |= {"available": {"services": list(SERVICES), "share": AVAILABLE_SHARE}, "settled": False}
        began = time.monotonic()
        written = _written(stage)
        servers.stop_kafka(stage.site.folder)
        time.sleep(seconds)
        servers.start_kafka(stage.site.folder)
        arrival = (_written(stage) - written) / (time.monotonic() - began)
        entry.healed()
        backlog, written, began = _unpublished(stage), _written(stage), time.monotonic()
        wait_until(lambda: _unpublished(stage) <= max(arrival, backlog / 100), 600, "the backlog does not drain")
        drained = (backlog - _unpublished(stage) + _written(stage) - written) / (time.monotonic() - began)
        entry.evidence |= {
            "seconds": seconds,
            "backlog": backlog,
            "arrival_per_second": round(arrival, 1),
            "drained_per_second": round(drained, 1),
        }
        entry.demand(f"drained at {DRAIN_FACTOR} times the arrival rate", drained >= DRAIN_FACTOR * arrival)
        for worker in stage.site.those(role="worker"):
            stage.wait_caught_up(worker, CATCH_UP_SECONDS)
        entry.evidence["caught_up_after_seconds"] = round(time.monotonic() - began, 1)
        stage.site.wait_ready(stage.site.those(role="worker"))


def _written(stage: Stage) -> int:
    """How many events were ever written, by the outboxes' sequences."""
    return sum(stage.query(service, "SELECT last_value FROM outbox_id_seq")[0]["last_value"] for service in SERVICES)


def _unpublished(stage: Stage) -> int:
    return sum(stage.query(service, f"SELECT count(*) AS waiting FROM ({WAITING}) w")[0]["waiting"] for service in SERVICES)


def reset(stage: Stage) -> None:
    """F15: connections to both servers are reset, again and again, and the server's own sessions are ended."""
    with stage.fault("F15", "postgres and kafka") as entry:
        hit: dict[str, int] = {}
        for _ in range(int(stage.seconds(5, 3))):
            for port in (PORTS["postgres"], PORTS["kafka"]):
                with filtered(Rule(port=port, reset=True)) as packets:
                    stage.pause(0.5, 1.5)
                hit = {name: hit.get(name, 0) + packets.get(name, 0) for name in hit.keys() | packets.keys()}
            stage.pause(0.5, 1.5)
        statement = "SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity WHERE usename = ANY($1)"
        ended = stage.query("postgres", statement, list(SERVICES))[0]["ended"]
        entry.evidence |= {"packets": hit, "sessions_ended": ended}
        entry.healed()
        _ready_again(stage, entry)


def _ask_all(stage: Stage, entry: Entry, until: float) -> None:
    """Asks every service again and again; what is asked after the first seconds is answered in time, and with 503."""

    def ask(service: str) -> list[tuple[int, float]]:
        token = tokens.issue(
            stage.site.kept.keys, issuer=ISSUER, roles=["importer", "reader", "rules_editor"], sub="chaos", aud=service, ttl_seconds=600
        )
        found: list[tuple[int, float]] = []
        while time.monotonic() < until - ANSWER_SECONDS:
            found.append(_get(stage.site.member(service, "api").port, PATHS[service], token))
            time.sleep(0.2)
        return found

    with ThreadPoolExecutor(len(SERVICES)) as pool:
        answers = dict(zip(SERVICES, pool.map(ask, SERVICES), strict=True))
    time.sleep(max(0.0, until - time.monotonic()))
    slowest = {service: round(max(seconds for _, seconds in found), 2) for service, found in answers.items()}
    entry.evidence["slowest_answers"] = slowest
    entry.evidence["statuses"] = {service: sorted({status for status, _ in found}) for service, found in answers.items()}
    entry.demand(f"answered within {ANSWER_SECONDS:.0f} s", max(slowest.values()) <= ANSWER_SECONDS)
    entry.demand("answered with 503", all({status for status, _ in found} == {UNAVAILABLE} for found in answers.values()))


def _get(port: int, path: str, token: str) -> tuple[int, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    began = time.monotonic()
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        status = 0
    finally:
        connection.close()
    return status, time.monotonic() - began


def _ready_again(stage: Stage, entry: Entry) -> None:
    seconds = stage.site.wait_ready(stage.site.those(role="api"))
    entry.evidence["ready_after_seconds"] = round(seconds, 2)
    entry.demand(f"ready within {READY_SECONDS:.0f} s", seconds <= READY_SECONDS)
    stage.site.wait_ready(stage.site.those(role="worker"))


def _pid(stage: Stage, part: str) -> int:
    return servers.Servers(kept=stage.site.kept).pid(part) or 0


def _started(pid: int) -> str:
    from baton.local import launch

    return launch.started(pid) or ""


def _answers(stage: Stage) -> bool:
    try:
        return bool(stage.query("postgres", "SELECT 1"))
    except Exception:
        return False
