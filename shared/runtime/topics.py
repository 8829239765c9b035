"""Topics: one per event, created by its owner, never changed. Partition counts are frozen, because a key must keep its partition."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from shared.events import language

log = structlog.get_logger()

PARTITIONS = 12
DAYS = 7
"""How long a topic keeps its records."""
_DAY_MS = 24 * 60 * 60 * 1000
ALREADY_EXISTS = 36


class DifferentTopic(Exception):  # noqa: N818  a fact about the installation
    """A topic exists with other settings than its contract."""


def contract(replication: int) -> dict[str, str]:
    """The settings of a topic. With one copy every record is flushed: an acknowledged one would else die with the power."""
    settings = {
        "cleanup.policy": "delete",
        "retention.ms": str(DAYS * _DAY_MS),
        "segment.ms": str(_DAY_MS),
        "max.message.bytes": str(1024 * 1024),
    }
    if replication == 1:
        return settings | {"flush.messages": "1"}
    return settings | {"min.insync.replicas": str(min(2, replication)), "unclean.leader.election.enable": "false"}


async def provision(bootstrap: str, owner: str, *, topic_prefix: str, replication: int) -> list[str]:
    """Creates the missing topics of the events that `owner` publishes; returns their names. Raises DifferentTopic for one that differs."""
    language.load()
    names = [topic_prefix + kind.name for cls in language.declared() if (kind := language.type_of(cls)).producer == owner]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        wanted = [NewTopic(name, PARTITIONS, replication, topic_configs=contract(replication)) for name in names]
        answer: Any = await admin.create_topics(wanted)
        created: list[str] = []
        for name, code, *_ in answer.topic_errors:
            if code not in {0, ALREADY_EXISTS}:
                raise for_code(code)(f"topic {name}")
            if code == 0:
                created.append(name)
        await _compare(admin, [name for name in names if name not in created], replication)
        return created
    finally:
        await admin.close()


async def check(bootstrap: str, topics: Iterable[str], *, replication: int) -> None:
    """Waits until all topics exist. Raises DifferentTopic for one that breaks its contract, KafkaError while no broker answers."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        missing, said = set(topics), set[str]()
        while missing:
            present = set(await admin.list_topics())
            await _compare(admin, sorted(missing & present), replication)
            missing -= present
            if missing and missing != said:
                said = set(missing)
                log.warning("topics_missing", topics=sorted(missing), advice="run `provision` of the services that own them")
            if missing:
                await asyncio.sleep(1)
    finally:
        await admin.close()


async def _compare(admin: AIOKafkaAdminClient, names: Sequence[str], replication: int) -> None:
    if not names:
        return
    for found in await admin.describe_topics(list(names)):
        if len(found["partitions"]) != PARTITIONS:
            raise DifferentTopic(
                f"{found['topic']} has {len(found['partitions'])} partitions, its contract says {PARTITIONS}, and a key must keep its "
                "partition: use another cluster or BATON_TOPIC_PREFIX, or, if nothing in the topic is needed, delete it and run `provision`"
            )
    answers: list[Any] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    for resource in [resource for answer in answers for resource in answer.resources]:
        _require(resource[3], {entry[0]: entry[1] for entry in resource[4]}, contract(replication))


def _require(topic: str, found: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
    differing = {setting: value for setting, value in wanted.items() if found.get(setting) != value}
    if differing:
        is_so = ", ".join(f"{setting}={found.get(setting)}" for setting in differing)
        should = ",".join(f"{setting}={value}" for setting, value in differing.items())
        command = f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {should}"
        raise DifferentTopic(f"{topic} has {is_so}, its contract says {should}: set it by `{command}`, or use another BATON_TOPIC_PREFIX")
