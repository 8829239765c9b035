"""The rules that decide on the load's leads, and drafts of rules that many callers revise at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.chaos.checker.calling import Caller, Write
from tests.chaos.checker.history import Item
from tests.chaos.checker.plans import DISQUALIFIER, Plans

DRAFTS = 2
STALE = 0.15
"""How often a caller names a version that it knows to be outdated: only a service that ignores it accepts that."""


@dataclass(slots=True, kw_only=True)
class Drafts:
    """Drafts that nobody publishes. `spent`: a version of each that was consumed."""

    plans: Plans
    ids: list[str] = field(default_factory=list)
    spent: dict[str, int] = field(default_factory=dict)
    content: dict[str, Any] = field(default_factory=dict)

    async def prepare(self, author: Caller, approver: Caller) -> None:
        """A rule that disqualifies some leads is in force, written by one and published by another; and there are drafts."""
        page = await author.look("handoff", "/v1/rule-sets?status=published")
        if not page or not page["items"]:
            raise RuntimeError("no rule set is in force")
        current = page["items"][0]
        known = [rule["code"] for rule in current["rules"]]
        self.content = {"terms": current["terms"], "rules": current["rules"]}
        if DISQUALIFIER["code"] not in known:
            self.content["rules"] = [*current["rules"], DISQUALIFIER]
            drafted = await author.write(self._draft())
            if drafted is None or await approver.write(_publish(drafted)) is None:
                raise RuntimeError("the rules of the load cannot be brought into force")
        for _ in range(DRAFTS):
            drafted = await author.write(self._draft())
            if drafted is not None:
                self.ids.append(drafted["rule_set_id"])

    async def revise(self, caller: Caller) -> None:
        """A caller reads a draft and replaces it, while others do the same; some try with a version that is spent."""
        if not self.ids:
            return
        draft_id = caller.chance.choice(self.ids)
        path = f"/v1/rule-sets/{draft_id}"
        version = self.spent.get(draft_id) if caller.chance.random() < STALE else None
        if version is None:
            seen = await caller.read("handoff", path, draft_id)
            if seen is None:
                return
            version = seen["version"]
        name = self.plans.unique()
        write = Write(
            f="revise",
            service="handoff",
            route="PUT /v1/rule-sets/...",
            path=path,
            body={"name": name, **self.content},
            key=draft_id,
            items=[Item(has={"name": name})],
            etag=version,
            versioned=True,
            read=path,
            method="PUT",
        )
        if await caller.write(write) is not None:
            self.spent[draft_id] = version

    def _draft(self) -> Write:
        body = {"name": self.plans.unique(), **self.content}
        return Write(f="draft", service="handoff", route="POST /v1/rule-sets", path="/v1/rule-sets", body=body, key="drafts", wants=201)


def _publish(drafted: dict[str, Any]) -> Write:
    path = f"/v1/rule-sets/{drafted['rule_set_id']}/publish"
    return Write(
        f="publish",
        service="handoff",
        route="POST /v1/rule-sets/.../publish",
        path=path,
        body={},
        key=drafted["rule_set_id"],
        etag=drafted["version"],
        wants=200,
        versioned=True,
        roles=("rules_approver",),
    )
