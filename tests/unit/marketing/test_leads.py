"""A lead is captured once; what is said about it again is told apart from what differs."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.marketing.leads.domain import (
    Lead,
    LeadContentDiffers,
    LeadIdTaken,
    Placement,
    Reference,
    Registries,
    StatedFact,
    announce,
    capture,
    compare,
    place,
    revise,
    stated_id,
)
from shared.errors import Invalid
from shared.events import language
from shared.events.marketing.leads import Consent, LeadGenerated
from shared.ids import derived_id
from tests.unit.marketing.told import LEAD, NOON, hours, make_capture, named

SPRING = Reference(id=named("spring"), medium="email")
SHOP = Reference(id=named("shop"), medium="web")
REGISTRIES = Registries(
    sources=frozenset({"api"}),
    campaigns={SPRING.id: SPRING, "spring": SPRING},
    channels={SHOP.id: SHOP, "shop": SHOP},
    mediums={"cpc": "advertising", "carrier-pigeon": "unregistered"},
)
NOWHERE = Placement(campaign_id=None, channel_id=None, medium=None)


def make_lead(**stated: Any) -> Lead:
    return capture(
        make_capture(**stated),
        NOWHERE,
        lead_id=LEAD,
        subject_id=named("subject"),
        captured_by=None,
        occurred_at=NOON,
        recorded_at=hours(1),
    )


def test_a_lead_is_captured_when_the_source_says_else_when_it_was_sent() -> None:
    assert make_lead(captured_at=hours(-5)).captured_at == hours(-5)
    assert make_lead().captured_at == NOON


def test_the_id_is_the_one_stated_else_derived_from_the_external_id() -> None:
    assert stated_id(make_capture(lead_id=LEAD, external_id="7")) == LEAD
    assert stated_id(make_capture(external_id="7")) == derived_id("api", "lead", "7")
    assert stated_id(make_capture()) is None


def test_the_same_content_again_is_unchanged() -> None:
    assert compare(make_lead(external_id="7"), make_capture(external_id="7")) == "unchanged"
    assert compare(make_lead(external_id="7"), make_capture(external_id="7", lead_id=LEAD)) == "unchanged"


def test_other_content_is_refused_unless_it_is_to_replace() -> None:
    lead, other = make_lead(), make_capture(fingerprint=b"said otherwise")
    with pytest.raises(LeadContentDiffers):
        compare(lead, other)
    assert compare(lead, replace(other, on_conflict="update")) == "updated"


@pytest.mark.parametrize("other", [{"external_id": "8"}, {"source": "shop"}, {"lead_id": named("another")}])
def test_an_id_never_moves_to_another_lead(other: dict[str, Any]) -> None:
    with pytest.raises(LeadIdTaken):
        compare(make_lead(external_id="7"), make_capture(**({"external_id": "7"} | other), on_conflict="update"))


def test_a_revised_lead_keeps_ids_times_and_version_and_takes_the_content() -> None:
    lead = replace(make_lead(captured_at=hours(-5)), version=3)
    revised = revise(lead, make_capture(country="DE", fingerprint=b"new"), replace(NOWHERE, medium="email"))
    assert (revised.country, revised.medium, revised.fingerprint) == ("DE", "email", b"new")
    kept = ("lead_id", "subject_id", "touch_id", "captured_at", "recorded_at", "version")
    assert [getattr(revised, name) for name in kept] == [getattr(lead, name) for name in kept]


def test_references_are_found_by_id_and_by_code() -> None:
    by_code = place(make_capture(campaign_code="spring", channel_code="shop"), REGISTRIES)
    assert by_code == place(make_capture(campaign_id=SPRING.id, channel_id=SHOP.id), REGISTRIES)
    assert (by_code.campaign_id, by_code.channel_id) == (SPRING.id, SHOP.id)


def test_the_medium_is_the_one_stated_else_of_utm_else_of_the_channel_else_of_the_campaign_else_missing() -> None:
    everything = {"medium": "tv", "utm_medium": "cpc", "channel_code": "shop", "campaign_code": "spring"}
    found = []
    for name in ("medium", "utm_medium", "channel_code", "campaign_code"):
        found.append(place(make_capture(**everything), REGISTRIES).medium)
        del everything[name]
    assert found == ["tv", "advertising", "web", "email"]
    assert place(make_capture(), REGISTRIES).medium is None


def test_unregistered_unknown_and_missing_are_three_media() -> None:
    stated = [make_capture(utm_medium="carrier-pigeon"), make_capture(medium="unknown"), make_capture()]
    assert [place(each, REGISTRIES).medium for each in stated] == ["unregistered", "unknown", None]


def test_everything_that_is_not_registered_is_named_at_once() -> None:
    stated = make_capture(source="nobody", campaign_code="winter", channel_id=named("nowhere"))
    with pytest.raises(Invalid) as caught:
        place(stated, REGISTRIES)
    assert [(error.field, error.code) for error in caught.value.errors] == [
        ("/source", "UNKNOWN_SOURCE"),
        ("/campaign_code", "UNKNOWN_CAMPAIGN"),
        ("/channel_id", "UNKNOWN_CHANNEL"),
    ]


def test_id_and_code_must_name_the_same() -> None:
    registries = replace(REGISTRIES, campaigns={**REGISTRIES.campaigns, "summer": Reference(id=named("summer"), medium=None)})
    with pytest.raises(Invalid) as caught:
        place(make_capture(campaign_id=SPRING.id, campaign_code="summer"), registries)
    assert caught.value.errors[0].code == "REFERENCES_DIFFER"


def test_a_fact_may_be_stated_once() -> None:
    fact = StatedFact(fact_code="industry", value="retail")
    with pytest.raises(Invalid) as caught:
        place(make_capture(facts=(fact, fact)), REGISTRIES)
    assert caught.value.errors[0].code == "FACT_TWICE"


def test_the_event_tells_facts_and_consents_with_their_source_and_time() -> None:
    consent = Consent(purpose="news", state="granted", lawful_basis="consent", recorded_at=NOON)
    lead = make_lead(facts=(StatedFact(fact_code="industry", value="retail"),), captured_at=hours(-1))
    event = announce(lead, (consent,))
    assert event.facts[0].source_code == "api"
    assert event.facts[0].observed_at == hours(-1)
    assert event.consents == (consent,)
    assert event.touch_id == lead.touch_id == derived_id("marketing", "touch", str(LEAD))
    assert event.verification == "unverified"


def test_labels_external_ids_and_estimates_stay_here() -> None:
    event = announce(make_lead(labels={"colour": "green"}, external_id="secret-7", estimated=True), ())
    text = language.write(event).decode()
    assert "green" not in text
    assert "secret-7" not in text
    assert "estimated" not in text


@settings(max_examples=30)
@given(
    st.builds(
        make_capture,
        customer_initiated=st.none() | st.booleans(),
        interaction_mode=st.sampled_from([None, "one_way", "two_way"]),
        need_codes=st.lists(st.text(min_size=1, max_size=64).filter(str.isprintable), max_size=3).map(tuple),
        facts=st.lists(
            st.builds(StatedFact, fact_code=st.sampled_from(["a", "b"]), value=st.booleans() | st.integers(-(2**53), 2**53)), max_size=2
        ).map(tuple),
        country=st.sampled_from([None, "DE", "BR"]),
        captured_at=st.none() | st.integers(-1000, 0).map(hours),
    )
)
def test_every_captured_lead_can_be_announced_and_read_back(stated: Any) -> None:
    lead = capture(stated, NOWHERE, lead_id=LEAD, subject_id=named("subject"), captured_by=None, occurred_at=NOON, recorded_at=NOON)
    event = announce(lead, ())
    assert language.read(LeadGenerated, language.write(event)) == event


def test_the_event_has_no_field_for_contact_data() -> None:
    names = {field.name for field in fields(LeadGenerated)} | {field.name for field in fields(Lead)}
    assert names.isdisjoint({"given_name", "family_name", "email", "phone", "organisation_name", "contact"})
