"""One import from plan to tally: the source, then entity after entity, what others refer to before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from baton import client as api
from baton.importer import entities, passes, workspace
from baton.importer.doctor import Doctor, Finding
from baton.importer.entities import Entity
from baton.importer.journal import Journal, OutdatedError
from baton.importer.passes import Meter, Reading
from baton.importer.plans import Plan
from baton.importer.rejects import Rejects
from baton.importer.sending import Limits, Sender, Tally
from baton.importer.waiting import WaitingRoom

ROLE = "importer"
SERVICES = tuple(dict.fromkeys(entity.service for entity in entities.ENTITIES.values()))
STANDING_LEAD = replace(entities.LEAD, name="standing_lead")
STANDING_DEAL = replace(entities.DEAL, name="standing_deal")

Tallies = Mapping[str, Tally]


async def run(
    plan: Plan, client: api.Client, *, limits: Limits, rejects_path: Path, journal: Journal, meter: Meter
) -> tuple[Tallies, int, Sequence[Finding]]:
    """All that the plan tells of is in the services or in the file of rejected rows.

    Returns the tallies, the number of rejections, and what was strange in the files. May be stopped at any moment and run again. Raises
    what the client raises.
    """
    zone = plan.mapping.source.time_zone
    await client.put(
        "marketing", f"/v1/sources/{plan.mapping.source.code}", {"name": plan.mapping.source.name, "time_zone": zone}, patience=15
    )
    while True:
        with workspace.opened(journal.path) as folder, Rejects(rejects_path) as rejects, Doctor(folder / "doctor.db", plan) as doctor:
            finders = passes.indexed(plan, folder, meter)
            reading = Reading(plan=plan, folder=folder, finders=finders, rejects=rejects, meter=meter, doctor=doctor)
            try:
                tallies = await _Run(reading=reading, client=client, limits=limits, journal=journal, tallies={}).all()
            except OutdatedError:
                # Without its journal the import sends everything, so this happens at most once.
                journal.discard()
                continue
            finally:
                journal.close()
            journal.discard()
            return tallies, rejects.count, doctor.findings()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    reading: Reading
    client: api.Client
    limits: Limits
    journal: Journal
    tallies: dict[str, Tally]

    async def all(self) -> Tallies:
        """Entity after entity; the deals that orders stand on just before those."""
        for entity in entities.ENTITIES.values():
            feeds = self.reading.feeds(entity)
            if any(feed.standing for feed in feeds):
                await self._standing(entity)
            if feeds:
                tally = self.tallies[entity.name] = Tally()
                sender = self._sender(entity, tally, in_order=any(feed.on_conflict == "update" for feed in feeds))
                await sender.send(passes.items(self.reading, entity, tally))
                await sender.drain(self.reading.meter.waits)
        return self.tallies

    async def _standing(self, entity: Entity) -> None:
        deals = WaitingRoom(self.reading.folder / "standing.deals")
        leads, scratch = self.tallies.setdefault(STANDING_LEAD.name, Tally()), Tally()
        sender = self._sender(STANDING_LEAD, leads)
        await sender.send(passes.standing_leads(self.reading, entity, scratch, deals))
        await sender.drain(self.reading.meter.waits)
        tally = self.tallies[STANDING_DEAL.name] = Tally(rows=deals.count())
        leads.rows = tally.rows
        sender = self._sender(STANDING_DEAL, tally)
        await sender.send(deals.items())
        await sender.drain(self.reading.meter.waits)

    def _sender(self, entity: Entity, tally: Tally, *, in_order: bool = False) -> Sender:
        # The later row wins only if it is sent after the earlier one is stored.
        limits = replace(self.limits, in_flight=1) if in_order or entity.in_turn else self.limits
        return Sender(
            self.client,
            entity,
            limits=limits,
            tally=tally,
            rejects=self.reading.rejects,
            journal=self.journal,
            waiting=WaitingRoom(self.reading.folder / f"{entity.name}.waiting"),
        )
