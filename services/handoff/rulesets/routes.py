"""Rule sets over HTTP: write, revise, publish, give up."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints

from services.handoff.rulesets import domain, usecases
from shared.errors import Invalid, NotFound, Stale
from shared.events.language import Listed
from shared.http import edge
from shared.http.bodies import Answer, Command
from shared.http.edge import Call, requires
from shared.http.pages import Page, PageRequest, page_request
from shared.http.problems import problems

router = edge.router(tags=["rule sets"])

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class WriteRuleSet(Command):
    """The whole content of a draft. Terms that are not given have their customary value."""

    name: Name
    rules: Listed[domain.Rule]
    terms: domain.Terms = domain.Terms()


class PublishRuleSet(Command):
    """Nothing to say but, for history, when."""


class ArchiveRuleSet(Command):
    """Nothing to say but, for history, when."""


class RuleSetOut(Answer):
    """A rule set: `draft` while it is written, `published` while it decides, `archived` afterwards or when given up."""

    rule_set_id: UUID
    name: str
    status: domain.Status
    number: int | None
    rules: tuple[domain.Rule, ...]
    terms: domain.Terms
    author_ids: tuple[UUID, ...]
    published_by_id: UUID | None
    recorded_at: datetime
    published_at: datetime | None
    archived_at: datetime | None
    version: int

    @classmethod
    def of(cls, rule_set: domain.RuleSet) -> "RuleSetOut":
        """The rule set as it stands."""
        return cls.model_validate(rule_set)


@router.post("/rule-sets", status_code=201, responses=problems(Invalid))
async def draft_rule_set(body: WriteRuleSet, call: Annotated[Call, requires("rules:write")]) -> RuleSetOut:
    """Write a new draft. Conditions are compiled at once; what is wrong is named with rule, line and column."""
    drafted = await usecases.draft_rule_set(call.tx, name=body.name, rules=body.rules, terms=body.terms, cause=call.cause_at(body))
    return RuleSetOut.of(drafted)


@router.put("/rule-sets/{rule_set_id}", responses=problems(NotFound, domain.RuleSetNotDraft, Stale, Invalid))
async def revise_rule_set(
    rule_set_id: UUID, body: WriteRuleSet, call: Annotated[Call, requires("rules:write", if_match=True)]
) -> RuleSetOut:
    """Replace the content of a draft."""
    given = {"name": body.name, "rules": body.rules, "terms": body.terms}
    return RuleSetOut.of(await usecases.revise_rule_set(call.tx, rule_set_id, **given, expected=call.expected, cause=call.cause_at(body)))


@router.post("/rule-sets/{rule_set_id}/publish", responses=problems(NotFound, domain.RuleSetNotDraft, domain.SelfApproval, Stale))
async def publish_rule_set(
    rule_set_id: UUID, body: PublishRuleSet, call: Annotated[Call, requires("rules:approve", if_match=True)]
) -> RuleSetOut:
    """Bring a draft into force, by somebody who did not write it; the rule set that was in force is archived."""
    return RuleSetOut.of(await usecases.publish_rule_set(call.tx, rule_set_id, expected=call.expected, cause=call.cause_at(body)))


@router.post("/rule-sets/{rule_set_id}/archive", responses=problems(NotFound, domain.RuleSetInForce, domain.RuleSetArchived, Stale))
async def archive_rule_set(
    rule_set_id: UUID, body: ArchiveRuleSet, call: Annotated[Call, requires("rules:write", if_match=True)]
) -> RuleSetOut:
    """Give a draft up."""
    return RuleSetOut.of(await usecases.archive_rule_set(call.tx, rule_set_id, expected=call.expected, cause=call.cause_at(body)))


@router.get("/rule-sets")
async def list_rule_sets(
    call: Annotated[Call, requires("rules:read")],
    page: Annotated[PageRequest, page_request()],
    status: domain.Status | None = None,
) -> Page[RuleSetOut]:
    """Rule sets in the order in which they were first written."""
    found = await usecases.list_rule_sets(call.tx, status=status, after=page.after, limit=page.limit + 1)
    return page.answer(found, key=lambda rule_set: (rule_set.recorded_at, rule_set.rule_set_id), out=RuleSetOut.of)


@router.get("/rule-sets/{rule_set_id}", responses=problems(NotFound))
async def get_rule_set(rule_set_id: UUID, call: Annotated[Call, requires("rules:read")]) -> RuleSetOut:
    """One rule set, its version for If-Match included."""
    return RuleSetOut.of(await usecases.get_rule_set(call.tx, rule_set_id))
