"""Deciding on leads, and explaining what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.handoff.decisions import domain, store
from services.handoff.decisions.domain import Decision, Explanation
from services.handoff.leads import usecases as leads
from services.handoff.routing import usecases as routing
from services.handoff.routing.domain import Request
from services.handoff.rulesets import usecases as rulesets
from shared.db.saving import Change
from shared.db.transaction import Transaction
from shared.events.language import Received
from shared.events.marketing.leads import LeadGenerated


async def decide_leads(tx: Transaction, announced: Sequence[Received[LeadGenerated]]) -> None:
    """Notes new leads, decides on each by the rule set in force, and routes the qualified ones; a known lead is left alone.

    Decisions are of now: they use what is recorded, and a lead from history is decided like any other but starts no clock.
    """
    causes = {received.event.lead_id: replace(received.cause, at=tx.now) for received in announced}
    fresh = await leads.note_leads(tx, announced)
    rule_set = await rulesets.find_in_force(tx)
    if not fresh or rule_set is None:
        return
    changes: list[Change[Decision]] = []
    for lead in fresh:
        decision, told = domain.qualify(lead, rule_set, as_of=tx.now, judge=rulesets.judge)
        changes.append(Change(decision, [told] if told else [], causes[lead.lead_id]))
    decided = await store.save_decisions(tx, changes)
    requests = [
        Request(
            lead_id=lead.lead_id,
            decision_id=decision.decision_id,
            route_path=decision.route_path,
            suggested_queue=lead.lead.routing_suggestion.queue_code if lead.lead.routing_suggestion else None,
            policy=None if lead.is_history else rule_set.terms.policy,
            cause=causes[lead.lead_id],
        )
        for lead, decision in zip(fresh, decided, strict=True)
        if decision.outcome == "qualified"
    ]
    await routing.route_leads(tx, requests)


async def get_decision(tx: Transaction, decision_id: UUID) -> Decision:
    """A decision with its trace. Raises NotFound."""
    return await store.get_decision(tx, decision_id)


async def list_decisions(
    tx: Transaction, *, lead_id: UUID | None, outcome: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Decision]:
    """Decisions in the order in which they were recorded, optionally of one lead or one outcome."""
    return await store.list_decisions(tx, lead_id=lead_id, outcome=outcome, after=after, limit=limit)


async def explain_lead(tx: Transaction, lead_id: UUID) -> Explanation:
    """Why a lead was decided on as it was, or why nothing was decided. Raises NotFound for a lead that handoff does not know."""
    lead = await leads.get_lead(tx, lead_id)
    decision = await store.find_latest(tx, lead_id)
    rule_set = await rulesets.get_rule_set(tx, decision.rule_set_id) if decision else None
    routed = await routing.find_routing(tx, decision.decision_id) if decision else None
    return domain.explain(lead, decision, rule_set, routed, as_of=tx.now)
