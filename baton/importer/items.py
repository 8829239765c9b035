"""What is sent: single bodies, ready as bytes, and the batches they are cut into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LARGEST_BATCH_BYTES = 1_500_000
"""Below the 2 MiB that a bulk route takes."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entity to send, and the file and line it came from."""

    file: str
    line: int
    body: bytes


def batches(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    """The items in their order, in batches of at most `most` items and 1.5 MB; a larger item goes alone."""
    batch: list[Item] = []
    size = 0
    for item in items:
        if batch and (len(batch) >= most or size + len(item.body) > LARGEST_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item.body) + 1
    if batch:
        yield batch


def content(batch: Sequence[Item]) -> bytes:
    """The body of a bulk request."""
    return b'{"items":[' + b",".join(item.body for item in batch) + b"]}"


def digest(entity: str, batch: Sequence[Item]) -> str:
    """`entity:digest`, the same whenever a batch of that entity has the same content."""
    return f"{entity}:{hashlib.sha256(content(batch)).hexdigest()[:32]}"
