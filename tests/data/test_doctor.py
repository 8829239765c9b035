"""What is strange in the real files is found by the import, in the numbers that are known of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from baton.importer import entities, mapping, passes, plans
from baton.importer.doctor import Doctor
from baton.importer.rejects import Rejects
from baton.importer.sending import Tally
from baton.importer.strangeness import Finding
from baton.importer.waiting import WaitingRoom
from tests import stack as stacks
from tests.data import folder, olist, scms


class Silent:
    """Shows nothing."""

    def begin(self, name: str, size: int) -> None: ...
    def at(self, position: int, rows: int) -> None: ...
    def waits(self, count: int) -> None: ...


def examined(tmp_path: Path, mapping_name: str, paths: Sequence[str]) -> list[Finding]:
    """What the doctor finds when everything is shaped and nothing is sent."""
    read, _ = mapping.read(stacks.PROJECT / "mappings" / mapping_name)
    plan = plans.make(read, mapping_name, [Path(path) for path in paths])
    with Rejects(tmp_path / "rejects.csv") as rejects, Doctor(tmp_path / "doctor.db", plan) as doctor:
        finders = passes.indexed(plan, tmp_path, Silent())
        reading = passes.Reading(plan=plan, folder=tmp_path, finders=finders, rejects=rejects, meter=Silent(), doctor=doctor)
        for entity in entities.ENTITIES.values():
            if any(feed.standing for feed in reading.feeds(entity)):
                made = sum(1 for _ in passes.standing_leads(reading, entity, Tally(), WaitingRoom(tmp_path / "standing")))
                assert made > 0
            if reading.feeds(entity):
                assert sum(1 for _ in passes.items(reading, entity, Tally())) > 0
        return doctor.findings()


def counts(findings: Sequence[Finding], kind: str) -> dict[str, int]:
    return {each.subject: each.count for each in findings if each.kind == kind}


def test_the_known_anomalies_of_olist_are_found(data: Path, tmp_path: Path, expected: dict[str, Any]):
    known = expected["olist"]["distribution_sample"]["anomalies"]
    missing = expected["olist"]["distribution_sample"]["missing"]
    findings = examined(tmp_path, "olist.toml", folder.paths(data, olist.FILES))
    assert counts(findings, "dates_out_of_order") == {
        "order: shipped before it was approved": known["carrier_before_approved"],
        "order: delivered before it was shipped": known["customer_before_carrier"],
        "order: shipped before it was received": known["carrier_before_purchase"],
        "deal: closed before its lead came in": expected["olist"]["funnel"]["days_to_close"]["negative"],
    }
    assert counts(findings, "contradiction") == {
        "order: both cancelled and delivered": known["canceled_with_customer_date"],
        "order: both cancelled and shipped": known["canceled_after_carrier"],
    }
    assert counts(findings, "fact_missing") == {
        "order: no delivery, unlike nearly all of the same status": known["delivered_without_customer_date"],
        "order: no shipment, unlike nearly all of the same status": known["delivered_without_carrier_date"],
        "order: no approval, unlike nearly all of the same status": known["delivered_without_approval"],
    }
    assert counts(findings, "no_date") == {
        f"{fact}: {column} is missing": missing[column]
        for fact, column in (
            ("approval", "order_approved_at"),
            ("shipment", "order_delivered_carrier_date"),
            ("delivery", "order_delivered_customer_date"),
        )
    }
    profiles = expected["olist"]["funnel"]["deals_by_lead_behaviour_profile"]
    several = sum(count for profile, count in profiles.items() if "," in profile)
    assert counts(findings, "several_values_in_a_cell") == {"lead_behaviour_profile: values that other rows have alone": several}
    assert not counts(findings, "orphan")


def test_the_words_for_dates_and_costs_of_scms_are_found(data: Path, tmp_path: Path, expected: dict[str, Any]):
    known = expected["scms"]
    findings = examined(tmp_path, "scms.toml", folder.paths(data, scms.FILES))
    assert counts(findings, "word_for_a_date") == {
        f"{column}: {word}": count
        for column in ("PQ First Sent to Client Date", "PO Sent to Vendor Date")
        for word, count in known[column]["sentinels"].items()
    }
    kinds = known["Freight Cost (USD)"]["kinds"]
    assert counts(findings, "left_out") == {"Freight Cost (USD)": sum(kinds.values()) - kinds["number"]}
    assert counts(findings, "dates_out_of_order") == {"order: delivered before it was received": known["days_po_to_delivery"]["negative"]}
    assert counts(findings, "duplicate") == {"order: told of again, the first row counts": known["rows"] - known["distinct_po"]}
