"""What may be done with rule sets: write a draft, bring it into force, give it up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.handoff.rulesets import conditions, domain, store
from services.handoff.rulesets.domain import Rule, RuleSet, Terms
from shared.cause import Actor, Cause, Version
from shared.db.transaction import Transaction
from shared.ids import derived_id, new_id

judge = conditions.judge

DEFAULT_ID = derived_id("handoff", "rule-set", "default")


async def draft_rule_set(tx: Transaction, *, name: str, rules: Sequence[Rule], terms: Terms, cause: Cause) -> RuleSet:
    """Writes a new draft. Raises Invalid naming every field at fault: conditions with rule, line and column."""
    drafted = domain.draft(new_id(), name=name, rules=rules, terms=terms, by=cause.actor, at=cause.at, recorded_at=tx.now)
    conditions.check(rules)
    return await store.save_rule_set(tx, drafted, cause=cause)


async def revise_rule_set(
    tx: Transaction, rule_set_id: UUID, *, name: str, rules: Sequence[Rule], terms: Terms, expected: Version | None, cause: Cause
) -> RuleSet:
    """Replaces the content of a draft. Raises NotFound, Stale, RuleSetNotDraft, Invalid."""
    rule_set = await store.lock_rule_set(tx, rule_set_id, expected)
    revised = domain.revise(rule_set, name=name, rules=rules, terms=terms, by=cause.actor)
    conditions.check(rules)
    return await store.save_rule_set(tx, revised, cause=cause)


async def publish_rule_set(tx: Transaction, rule_set_id: UUID, *, expected: Version | None, cause: Cause) -> RuleSet:
    """Brings a draft into force for every decision from now on and archives the set that was. Raises NotFound, Stale,
    RuleSetNotDraft, SelfApproval."""
    current = await store.lock_in_force(tx)
    rule_set = await store.lock_rule_set(tx, rule_set_id, expected)
    published = domain.publish(rule_set, number=await store.get_last_number(tx) + 1, by=cause.actor, at=cause.at)
    if current is not None:
        await store.save_rule_set(tx, domain.supersede(current, at=cause.at), cause=cause)
    return await store.save_rule_set(tx, published, cause=cause)


async def archive_rule_set(tx: Transaction, rule_set_id: UUID, *, expected: Version | None, cause: Cause) -> RuleSet:
    """Gives a draft up. Raises NotFound, Stale, RuleSetInForce, RuleSetArchived."""
    rule_set = await store.lock_rule_set(tx, rule_set_id, expected)
    return await store.save_rule_set(tx, domain.archive(rule_set, at=cause.at), cause=cause)


async def publish_default(tx: Transaction) -> None:
    """Brings the default criteria into force where none ever were; repeatable."""
    if await store.find_in_force(tx) is not None or await store.find_rule_set(tx, DEFAULT_ID) is not None:
        return
    cause = Cause(actor=Actor(principal="handoff"), at=tx.now, correlation_id=DEFAULT_ID, causation_id=DEFAULT_ID)
    drafted = domain.draft(
        DEFAULT_ID,
        name=domain.DEFAULT_NAME,
        rules=domain.DEFAULT_RULES,
        terms=Terms(),
        by=cause.actor,
        at=cause.at,
        recorded_at=tx.now,
    )
    await store.save_rule_set(tx, domain.publish(drafted, number=1, by=cause.actor, at=cause.at), cause=cause)


async def get_rule_set(tx: Transaction, rule_set_id: UUID) -> RuleSet:
    """A rule set in any status. Raises NotFound."""
    return await store.get_rule_set(tx, rule_set_id)


async def find_in_force(tx: Transaction) -> RuleSet | None:
    """The rule set that decides, None if there is none."""
    return await store.find_in_force(tx)


async def list_rule_sets(tx: Transaction, *, status: str | None, after: tuple[datetime, UUID] | None, limit: int) -> list[RuleSet]:
    """Rule sets in the order in which they were recorded, optionally of one status."""
    return await store.list_rule_sets(tx, status=status, after=after, limit=limit)
