"""The demo's market is a plan that can be taken up again."""

from datetime import UTC, datetime, timedelta

from baton.world import market

TODAY = datetime(2026, 3, 2, tzinfo=UTC)


def test_the_same_seed_and_day_give_the_same_market():
    assert list(market.plan(7, 300, TODAY)) == list(market.plan(7, 300, TODAY))


def test_another_seed_is_another_market_with_other_leads():
    one, other = ({planned.lead_id for planned in market.plan(seed, 300, TODAY)} for seed in (7, 8))
    assert len(one) == len(other) == 300
    assert not one & other


def test_every_lead_came_within_the_season_and_before_today():
    times = [planned.captured_at for planned in market.plan(7, 2000, TODAY)]
    assert min(times) >= TODAY - timedelta(days=market.SEASON_DAYS, hours=1)
    assert max(times) < TODAY


def test_every_way_an_offer_can_go_is_in_the_market():
    courses = [planned.course for planned in market.plan(7, 2000, TODAY)]
    assert {course.answer for course in courses} == {"accept", "reject", "wait"}
    assert {course.close for course in courses} == {"won", "lost", None}
    assert {course.fulfilment for course in courses} == {"promised", "shipped", "part", "delivered"}
    assert {planned.content["channel_code"] for planned in market.plan(7, 2000, TODAY)} == {channel.code for channel in market.CHANNELS}
