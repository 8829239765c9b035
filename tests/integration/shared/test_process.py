"""A process that cannot go on ends, with a code and a line that says why; what only a person can mend is code 78."""

from __future__ import annotations

import asyncio
import functools
import socket
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from baton.local.servers import Servers
from shared.db.transaction import Database
from shared.runtime import serving, topics
from tests.integration.shared.processes import Site


@pytest.fixture
def site(alone: Database, servers: Servers, keys: Path, tmp_path: Path, prefix: str) -> Site:
    return Site(servers, alone.engine.url.render_as_string(hide_password=False), keys, tmp_path, prefix)


async def test_a_wrong_setting_is_named(site: Site) -> None:
    wrong = {"BATON_DATABASE_URL": "postgresql://x", "BATON_KAFKA": None, "BATON_CURSOR_SECRET": "short"}
    several, unreadable = await site.launch("api", **wrong), await site.launch("worker", BATON_ISSUERS="no json")
    assert await asyncio.gather(several.ended(40), unreadable.ended(40)) == [78, 78]
    assert [line["reason"].partition(":")[0] for line in several.said("misconfigured")] == list(wrong)
    assert [line["reason"] for line in unreadable.said("misconfigured")] == ["BATON_ISSUERS: not valid JSON"]
    assert [len(process.log.read_text().splitlines()) for process in (several, unreadable)] == [3, 1]


async def test_a_port_in_use_is_named(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await site.launch("api", BATON_PORT=str(port))
        assert await process.ended(40) == 78
    (line,) = process.said("misconfigured")
    assert str(port) in line["reason"]


async def test_a_topic_that_breaks_its_contract_is_named(site: Site) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=site.servers.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(site.topic_prefix + "lead-accepted", 3, 1), NewTopic(site.topic_prefix + "lead-rejected", 12, 1)])
    await admin.close()
    worker = await site.launch("worker")
    with pytest.raises(topics.DifferentTopic, match="lead-accepted has 3 partitions"):
        await topics.check(site.servers.kafka, [site.topic_prefix + "lead-accepted"], replication=1)
    with pytest.raises(topics.DifferentTopic, match="lead-rejected has segment"):
        await topics.check(site.servers.kafka, [site.topic_prefix + "lead-rejected"], replication=1)
    assert await worker.ended(40) == 78
    assert "lead-accepted has 3 partitions" in str(worker.said("task_ended")[0])


async def test_topics_are_provisioned_once_and_then_left_alone(site: Site) -> None:
    provision = functools.partial(topics.provision, site.servers.kafka, "sales", topic_prefix=site.topic_prefix, replication=1)
    created = await provision()
    assert site.topic_prefix + "deal-closed" in created
    assert await provision() == []
    await topics.check(site.servers.kafka, created, replication=1)


async def test_a_task_that_dies_takes_the_process_with_it(site: Site) -> None:
    await topics.provision(site.servers.kafka, "sales", topic_prefix=site.topic_prefix, replication=1)
    connection = await asyncpg.connect(site.database_url.replace("+asyncpg", ""))
    await connection.execute("ALTER TABLE consumer_offset RENAME TO somewhere_else")
    await connection.close()
    worker = await site.launch("worker")
    assert await worker.ended(40) == 1
    (line,) = worker.said("task_ended")
    assert line["task"] == "consumer"
    assert "consumer_offset" in line["exception"]
    assert worker.said("ended")[0]["task"] == "consumer"


def test_an_answer_never_waits_for_the_acknowledgement_of_its_head() -> None:
    with serving.listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
