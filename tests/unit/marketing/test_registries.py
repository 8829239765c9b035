"""Sources, campaigns, channels and media: registered once, said again without effect."""

from __future__ import annotations

import pytest

from services.marketing.campaigns import domain as campaigns
from services.marketing.channels import domain as channels
from services.marketing.mediums.domain import normalise
from services.marketing.sources.domain import Source, SourceInUse, amend
from services.marketing.subjects import domain as subjects
from shared.ids import derived_id
from tests.unit.marketing.told import NOON, named


def make_campaign(*known: campaigns.Campaign, **stated: object) -> campaigns.Campaign:
    said = {"campaign_id": None, "code": "spring", "name": "Spring", "kind": "time_boxed", "medium": "email", "at": NOON} | stated
    return campaigns.register(known, **said)  # type: ignore[arg-type]


def make_channel(*known: channels.Channel, **stated: object) -> channels.Channel:
    said = {"channel_id": None, "code": "shop", "name": "Shop", "kind": "retail", "medium": None, "at": NOON} | stated
    return channels.register(known, **said)  # type: ignore[arg-type]


def test_a_code_gives_an_id_that_anybody_can_derive() -> None:
    assert make_campaign().campaign_id == derived_id("marketing", "campaign", "spring")
    assert make_channel().channel_id == derived_id("marketing", "channel", "shop")
    assert make_campaign(campaign_id=named("own")).campaign_id == named("own")


def test_the_same_said_again_is_the_known_one() -> None:
    campaign, channel = make_campaign(campaign_id=named("own")), make_channel()
    assert make_campaign(campaign) is campaign
    assert make_campaign(campaign, campaign_id=named("own")) is campaign
    assert make_channel(channel) is channel


@pytest.mark.parametrize("other", [{"name": "Summer"}, {"kind": "always_on"}, {"medium": None}, {"campaign_id": named("x")}, {"code": "y"}])
def test_a_campaign_never_turns_into_another(other: dict[str, object]) -> None:
    with pytest.raises(campaigns.CampaignDiffers):
        make_campaign(make_campaign(), **other)


@pytest.mark.parametrize("other", [{"name": "Store"}, {"kind": "distribution"}, {"medium": "web"}, {"channel_id": named("x")}])
def test_a_channel_never_turns_into_another(other: dict[str, object]) -> None:
    with pytest.raises(channels.ChannelDiffers):
        make_channel(make_channel(), **other)


def test_an_id_of_one_and_a_code_of_another_campaign_do_not_go_together() -> None:
    other = make_campaign(code="summer", name="Summer")
    with pytest.raises(campaigns.CampaignDiffers):
        make_campaign(make_campaign(), other, campaign_id=other.campaign_id)


def test_the_zone_of_a_source_is_free_until_its_first_lead() -> None:
    source = Source(code="shop", name="Shop", time_zone="UTC", recorded_at=NOON)
    assert amend(source, name="Store", time_zone="America/Sao_Paulo").time_zone == "America/Sao_Paulo"
    used = Source(code="shop", name="Shop", time_zone="UTC", recorded_at=NOON, in_use=True)
    assert amend(used, name="Store", time_zone="UTC").name == "Store"
    with pytest.raises(SourceInUse):
        amend(used, name="Shop", time_zone="America/Sao_Paulo")


def test_a_utm_medium_is_read_without_case_and_blanks() -> None:
    assert normalise("  Paid_Search ") == "paid_search"


def test_amended_contact_data_replace_the_former_whole() -> None:
    subject = subjects.Subject(subject_id=named("s"), contact=subjects.Contact(email="a@b.c", phone="1"), recorded_at=NOON, version=2)
    amended = subjects.amend(subject, subjects.Contact(email="d@e.f"))
    assert amended.contact == subjects.Contact(email="d@e.f")
    assert (amended.subject_id, amended.version) == (subject.subject_id, 2)
