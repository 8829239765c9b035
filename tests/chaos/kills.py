"""Faults of Baton's own processes: killed at any moment and at named points, stopped and resumed, rolled, joined and replaced."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient

from tests.chaos.site import Member, SiteFailed, wait_until
from tests.chaos.stage import Stage

SESSION_SECONDS: Final = 10.0
"""After so long without a heartbeat a member of a group is taken for dead."""

AT_WORK_SECONDS: Final = 40.0
OPEN_SECONDS: Final = 0.25
KILLED: Final = 137
LANES: Final = (("marketing", "handoff"), ("sales", "distribution"))
"""Services whose processes end at the same time as those of the other lane."""

SERVING: Final = ("marketing", "sales", "distribution")
"""Services that are written to by commands with a key all the time; to handoff hardly ever."""


def api_killed(stage: Stage) -> None:
    """F1: an API process ends in the middle of requests: before and after the commit, and at any moment."""
    member = stage.site.member(stage.chance.choice(SERVING), "api")
    with stage.fault("F1", member.name) as entry:
        entry.evidence["exits"] = exits = list[int]()
        points = ("edge.before_commit", "edge.after_commit")
        for point in points:
            exits.append(stage.end_at(member, f"{point}:{stage.chance.randint(1, 4)}"))
        for _ in range(2):
            stage.site.wait_ready([member])
            stage.pause(0.5, 2.0)
            entry.evidence |= stage.kill_and_wait(member)
        entry.healed()
        entry.demand("ended at both points", exits == [KILLED] * len(points))
        stage.site.wait_ready([member])


def relay_killed(stage: Stage) -> None:
    """F2: a relay ends between the broker's acknowledgement and its cursor: what it sent is sent again."""
    member = stage.site.member(stage.service(), "worker")
    with stage.fault("F2", member.name) as entry:
        entry.evidence["exit"] = stage.end_at(member, f"relay.after_ack:{stage.chance.randint(2, 6)}")
        stage.site.wait_ready([member])
        stage.pause(0.5, 2.0)
        entry.evidence |= stage.kill_and_wait(member)
        entry.healed()
        entry.demand("ended at its point", entry.evidence["exit"] == KILLED)
        stage.site.wait_ready([member])


def consumer_killed(stage: Stage) -> None:
    """F3: a consumer ends between the database's commit and Kafka's: PostgreSQL's offset counts."""
    member = stage.site.member(stage.service(), "worker")
    with stage.fault("F3", member.name) as entry:
        member.once = {"BATON_FAIL_POINT": f"chunk.after_commit:{stage.chance.randint(2, 6)}"}
        former, exits = member.pid, len(member.exits)
        stage.site.end(member, signal.SIGKILL)
        stage.site.wait_new(member, former)
        with stage.site.holding([member]):
            wait_until(lambda: len(member.exits) > exits + 1, 60, f"{member.name} never applied a chunk")
            entry.evidence["exit"] = member.exits[exits + 1]
            entry.evidence["partitions_that_kafka_has_behind"] = len(behind(stage, member.service))
        entry.evidence["new_pid"] = stage.site.wait_new(member, 0)
        entry.healed()
        entry.demand("ended at its point", entry.evidence["exit"] == KILLED)
        entry.demand("Kafka's offset was behind PostgreSQL's", entry.evidence["partitions_that_kafka_has_behind"] > 0)
        stage.site.wait_ready([member])


def all_killed(stage: Stage) -> None:
    """F4: every process at once, and back in an order by chance."""
    members = list(stage.site.members)
    stage.chance.shuffle(members)
    with stage.fault("F4", "all services") as entry:
        former = {member.name: member.pid for member in members}
        with stage.site.holding(members):
            for member in members:
                if member.process:
                    member.process.send_signal(signal.SIGKILL)
            for member in members:
                wait_until(lambda one=member: not one.pid, 20, f"{member.name} survived")
            for member in members:
                stage.pause(0.0, 0.4)
                stage.site.release([member])
        entry.evidence["new_pids"] = {member.name: stage.site.wait_new(member, former[member.name]) for member in members}
        entry.healed()
        stage.site.wait_ready(members)


def zombie(stage: Stage) -> None:
    """F5: a worker stops longer than the group waits for it, another takes its partitions, and then it goes on where it stood."""
    first = stage.site.member(stage.service(), "worker")
    with stage.fault("F5", first.name) as entry:
        second = stage.site.second(first.service, "worker")
        before = first.counter("baton_cas_lost_total")
        ended = server_ended(stage)
        for attempt in range(1, 6):
            stop_and_resume(stage, first, second)
            entry.evidence |= {
                "stopped": attempt,
                "cas_lost": first.counter("baton_cas_lost_total") - before,
                "server_ended_transaction": server_ended(stage) - ended,
            }
            if entry.evidence["cas_lost"] or entry.evidence["server_ended_transaction"]:
                break
        stage.site.remove(second)
        entry.healed()
        stage.site.wait_ready([first])


def stop_and_resume(stage: Stage, first: Member, second: Member) -> None:
    """Stops a member in the middle of a transaction, until the other has moved on, and lets it go on."""
    assert first.process is not None
    stage.pause(0.2, 1.5)
    chunks = second.counter("baton_consumer_chunk_seconds_count")
    until = time.monotonic() + AT_WORK_SECONDS
    try:
        while not _stopped_at_work(stage, first) and time.monotonic() < until:
            first.process.send_signal(signal.SIGCONT)
            stage.pause(0.0, 0.2)
        time.sleep(SESSION_SECONDS + 2)
        wait_until(lambda: second.counter("baton_consumer_chunk_seconds_count") > chunks + 3, 60, f"{second.name} did not take over")
    finally:
        first.process.send_signal(signal.SIGCONT)
    stage.site.wait_ready([first, second])


def _stopped_at_work(stage: Stage, member: Member) -> bool:
    """Stops a process; whether a transaction of its database is open since then. Nobody else leaves one open for so long."""
    assert member.process is not None
    member.process.send_signal(signal.SIGSTOP)
    time.sleep(OPEN_SECONDS)
    (row,) = stage.query(member.service, _OPEN, member.service, OPEN_SECONDS * 0.8)
    return row["open"] > 0


_OPEN = """
    SELECT count(*) AS open FROM pg_stat_activity
    WHERE datname = $1 AND state = 'idle in transaction' AND clock_timestamp() - state_change > make_interval(secs => $2::float8)
"""


def rolled(stage: Stage) -> None:
    """F6: every process is asked to end under load, one after the other in each lane, another of its kind beside it; no caller notices."""
    with stage.fault("F6", "all services") as entry:
        entry.expects |= {"info": False, "no_info": True}
        codes: dict[str, int] = {}
        took: list[float] = []

        def end(member: Member) -> None:
            former, began = member.pid, time.monotonic()
            codes[member.name] = stage.site.end(member, signal.SIGTERM)
            took.append(time.monotonic() - began)
            stage.site.wait_new(member, former)
            stage.site.wait_ready([member])

        def roll(services: Sequence[str]) -> None:
            for service in services:
                spare = stage.site.second(service, "worker")
                for member in [*stage.site.those(service=service, role="api"), stage.site.member(service, "worker")]:
                    end(member)
                codes[spare.name] = stage.site.remove(spare)

        with ThreadPoolExecutor(len(LANES)) as pool:
            list(pool.map(roll, LANES))
        slowest = max(took)
        entry.evidence |= {"exit_codes": codes, "slowest_seconds": round(slowest, 1)}
        entry.healed()
        entry.demand("every exit code is 0", set(codes.values()) == {0})
        entry.demand("each ended within 25 s", slowest <= 25)


def rebalance_storm(stage: Stage) -> None:
    """F25: a member joins its group or dies every two seconds."""
    service = stage.service()
    first = stage.site.member(service, "worker")
    normal = rate(stage, service, 8.0)
    with stage.fault("F25", f"{service} workers") as entry:
        joined: list[Member] = []
        events = {"joined": 0, "killed": 0}
        until = time.monotonic() + stage.seconds(60, 24)
        begun, read = time.monotonic(), sum(stage.positions(service).values())
        while time.monotonic() < until:
            if joined and (len(joined) > 1 or stage.chance.random() < 0.5):
                stage.site.remove(joined.pop(), number=signal.SIGKILL)
                events["killed"] += 1
            else:
                joined.append(stage.site.start_second(service, "worker"))
                events["joined"] += 1
            time.sleep(2)
        stormy = (sum(stage.positions(service).values()) - read) / (time.monotonic() - begun)
        for member in joined:
            stage.site.remove(member, number=signal.SIGKILL)
        entry.evidence |= events | {"records_per_second": round(stormy, 2), "normal": round(normal, 2)}
        entry.healed()
        entry.demand("a tenth of the normal throughput is left", stormy >= 0.1 * normal)
        stage.site.wait_ready([first])


def two_relays(stage: Stage) -> None:
    """F34: a second relay stands by; the leader hangs, its session is ended, the other takes over, and then the first goes on."""
    first = stage.site.member(stage.service(), "worker")
    with stage.fault("F34", first.name) as entry:
        second = stage.site.second(first.service, "worker")
        assert first.process is not None
        stage.pause(0.2, 1.0)
        first.process.send_signal(signal.SIGSTOP)
        try:
            entry.evidence["ended_sessions"] = len(end_relay_sessions(stage, first.service))
            wait_until(lambda: second.counter("baton_relay_is_leader") == 1, 30, f"{second.name} did not take over")
            entry.evidence["second_led"] = True
            stage.pause(2.0, 4.0)
        finally:
            first.process.send_signal(signal.SIGCONT)
        stage.pause(1.0, 2.0)
        entry.demand("one leader", first.counter("baton_relay_is_leader") + second.counter("baton_relay_is_leader") == 1)
        stage.site.remove(second)
        entry.healed()
        wait_until(lambda: first.counter("baton_relay_is_leader") == 1, 30, f"{first.name} did not lead again")
        stage.site.wait_ready([first])


def end_relay_sessions(stage: Stage, service: str) -> list[int]:
    """Ends the session that holds the relay's lock; the numbers of the server's processes."""
    statement = """
        SELECT a.pid, pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND a.datname = $1 AND a.application_name = 'relay'
    """
    return [row["pid"] for row in stage.query(service, statement, service)]


def behind(stage: Stage, service: str) -> dict[tuple[str, int], int]:
    """The partitions for which Kafka's committed offset is below PostgreSQL's, and by how much."""
    admin = AdminClient({"bootstrap.servers": stage.site.kafka})
    try:
        (found,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(service)]).values()
        committed = {(one.topic, one.partition): one.offset for one in found.result().topic_partitions}
    except KafkaException as error:
        raise SiteFailed(f"Kafka does not tell the offsets of {service}: {error}") from error
    return {part: at - committed.get(part, 0) for part, at in stage.positions(service).items() if committed.get(part, 0) < at}


def rate(stage: Stage, service: str, seconds: float) -> float:
    """Records per second that a service applies now."""
    before = sum(stage.positions(service).values())
    time.sleep(seconds)
    return (sum(stage.positions(service).values()) - before) / seconds


def server_ended(stage: Stage) -> int:
    """How many transactions PostgreSQL has ended because their owner did nothing in them."""
    return stage.site.kept.log("postgres").read_text(errors="replace").count("idle-in-transaction timeout")
