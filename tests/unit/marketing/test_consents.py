"""A consent ledger: what happened last holds, whatever was recorded last."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.marketing.consents.domain import ConsentEntry, StatedConsent, announced, enter, standing
from tests.unit.marketing.told import NOON, hours, named


def entry(state: str = "granted", at: datetime | None = NOON, purpose: str = "news", recorded_at: datetime = NOON) -> ConsentEntry:
    stated = StatedConsent(purpose=purpose, state=state, lawful_basis="consent", source_text="I agree", occurred_at=at)  # type: ignore[arg-type]
    return enter(stated, named("subject"), at=hours(-1), recorded_at=recorded_at)


def test_the_statement_that_happened_last_holds() -> None:
    withdrawn, granted = entry("withdrawn", hours(2)), entry("granted", hours(1), recorded_at=hours(9))
    assert standing([withdrawn, granted])["news"] is withdrawn


def test_at_the_same_instant_a_withdrawal_holds() -> None:
    assert standing([entry("granted"), entry("withdrawn")])["news"].state == "withdrawn"


def test_purposes_do_not_touch_each_other() -> None:
    assert {consent.purpose: consent.state for consent in announced([entry(), entry("withdrawn", purpose="calls")])} == {
        "calls": "withdrawn",
        "news": "granted",
    }


def test_the_words_stay_in_the_ledger() -> None:
    assert "I agree" not in repr(announced([entry()]))


def test_without_a_time_the_capture_gives_it() -> None:
    assert entry(at=None).occurred_at == hours(-1)


def test_the_same_statement_is_the_same_entry_and_another_is_not() -> None:
    assert entry().consent_id == entry(recorded_at=hours(5)).consent_id
    assert len({entry().consent_id, entry("withdrawn").consent_id, entry(at=hours(1)).consent_id, entry(purpose="calls").consent_id}) == 4


ENTRIES = st.lists(
    st.builds(
        entry, st.sampled_from(["granted", "withdrawn", "expired"]), st.integers(0, 4).map(hours), st.sampled_from(["news", "calls"])
    ),
    max_size=8,
)


@settings(max_examples=30)
@given(ENTRIES, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_entries_matters(entries: list[ConsentEntry], random: Any) -> None:
    again = [*entries, *entries]
    random.shuffle(again)
    assert announced(again) == announced(entries)


@settings(max_examples=30)
@given(ENTRIES)
def test_what_holds_is_never_older_than_another_entry_of_its_purpose(entries: list[ConsentEntry]) -> None:
    held = standing(entries)
    assert all(held[each.purpose].occurred_at >= each.occurred_at for each in entries)
