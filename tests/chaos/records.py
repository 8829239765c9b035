"""Raw records: read from the log and written to it with another client than Baton's, every byte as given."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from tests.chaos.checker.evidence import CONSUMERS
from tests.chaos.site import SiteFailed

SECONDS: Final = 60.0

Headers = Sequence[tuple[str | bytes, bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A record as it lies in the log, or is to lie there (`offset` -1)."""

    topic: str
    part: int
    key: bytes | None
    headers: Headers
    value: bytes | None
    offset: int = -1

    def header(self, name: str) -> str:
        """The text of a header; empty if it has none of that name."""
        return next(((value or b"").decode(errors="replace") for given, value in self.headers if given == name), "")

    def place(self, kind: str) -> dict[str, Any]:
        """Where it lies and of what kind it is, as the fault log tells it."""
        return {"topic": self.topic, "part": self.part, "offset": self.offset, "kind": kind}


def read(bootstrap: str, topics: Iterable[str] = CONSUMERS, *, last: int | None = None) -> list[Raw]:
    """All records of topics up to their present ends, or the `last` so many of each partition."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "chaos", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({**settings, "auto.offset.reset": "error", "log_level": 0})
    found: list[Raw] = []
    try:
        parts = [
            TopicPartition(topic, part) for topic in topics for part in consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ]
        left: set[tuple[str, int]] = set()
        for part in parts:
            low, high = consumer.get_watermark_offsets(part, timeout=10)
            part.offset = low if last is None else max(low, high - last)
            if part.offset < high:
                left.add((part.topic, part.partition))
        consumer.assign([part for part in parts if (part.topic, part.partition) in left])
        until = time.monotonic() + SECONDS
        while left and time.monotonic() < until:
            for message in consumer.consume(5000, timeout=1.0):
                error = message.error()
                if error is None:
                    found.append(_raw(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard((message.topic() or "", message.partition() or 0))
        return found
    except KafkaException as error:
        raise SiteFailed(f"the log cannot be read: {error}") from error
    finally:
        consumer.close()


def write(bootstrap: str, records: Sequence[Raw]) -> list[Raw]:
    """Writes records to their partitions, in order, and returns them with the offsets that they were given."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "message.max.bytes": 2_000_000, "log_level": 0})
    placed: dict[int, int] = {}
    failed: list[str] = []

    def delivered(number: int) -> Any:
        def told(error: KafkaError | None, message: Any) -> None:
            if error is not None:
                failed.append(str(error))
            else:
                placed[number] = message.offset()

        return told

    for number, record in enumerate(records):
        headers: Any = list(record.headers)
        producer.produce(
            record.topic, value=record.value, key=record.key, partition=record.part, headers=headers, on_delivery=delivered(number)
        )
        producer.poll(0)
    if producer.flush(SECONDS) or failed:
        raise SiteFailed(f"records could not be written: {failed[:3] or 'no answer'}")
    return [
        Raw(topic=one.topic, part=one.part, key=one.key, headers=one.headers, value=one.value, offset=placed[number])
        for number, one in enumerate(records)
    ]


def _raw(message: Any) -> Raw:
    key, value = message.key(), message.value()
    return Raw(
        topic=message.topic(),
        part=message.partition(),
        key=None if key is None else bytes(key),
        headers=[(name, None if content is None else bytes(content)) for name, content in message.headers() or ()],
        value=None if value is None else bytes(value),
        offset=message.offset(),
    )
