"""Writes as they recur: one thing created, many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.chaos.checker.calling import Caller, Write
from tests.chaos.checker.history import Item
from tests.chaos.checker.plans import Body


async def write_many(
    caller: Caller,
    f: str,
    ids: Sequence[str],
    *,
    service: str,
    path: str,
    made: Callable[[str], tuple[Body, Item]],
) -> Sequence[str]:
    """One bulk write; gives the result of each item, or nothing if it was not acknowledged."""
    bodies, items = zip(*(made(each) for each in ids), strict=True)
    write = Write(f=f, service=service, route=f"POST {path}", path=path, body={"items": list(bodies)}, key=ids[0], items=items, wants=200)
    answer = await caller.write(write)
    return [item["status"] for item in answer["items"]] if answer else []


def create(f: str, service: str, path: str, *, body: Body, key: str, item: Item, read: str | None = None) -> Write:
    """A write that makes one thing under an id of its own."""
    return Write(
        f=f,
        service=service,
        route=f"POST {path if len(path) < 24 else '/v1/deals/.../orders'}",
        path=path,
        body=body,
        key=key,
        items=[item],
        wants=201,
        versioned=read is not None,
        read=read,
    )


def on_opportunity(verb: str, opportunity_id: str, body: Body, *, item: Item, version: int) -> Write:
    """A person's deed upon an opportunity of that version."""
    path = f"/v1/opportunities/{opportunity_id}"
    return Write(
        f=verb,
        service="sales",
        route=f"POST /v1/opportunities/.../{verb}",
        path=f"{path}/{verb}",
        body=body,
        key=opportunity_id,
        items=[item],
        etag=version,
        wants=200,
        versioned=verb == "stage",  # what is won or lost answers with the deal's version
        read=path if verb == "stage" else None,
    )
