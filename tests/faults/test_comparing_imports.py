"""An undisturbed import is what its rows say. The comparison of two imports can fail: nothing passes by not having been counted."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.ids import new_id
from tests.data import comparing
from tests.faults import figures, population, topics
from tests.faults.conftest import Imported
from tests.faults.population import Population
from tests.faults.topics import Told
from tests.stack import Stack

TOLD = tuple(
    Told(topic=topic, id=f"{subject}{sequence}", source="/services/sales", subject=subject, sequence=sequence, correlation_id="c")
    for topic, subject, sequence in [("deal-closed", "a", 1), ("deal-closed", "b", 1), ("deal-closed", "a", 2), ("lead-accepted", "a", 3)]
)


async def test_an_undisturbed_import_comes_to_what_its_rows_say(undisturbed: Imported, people: Population) -> None:
    truth, rows, sums, events = people.truth(), undisturbed.figures["rows"], undisturbed.figures["sums"], undisturbed.figures["events"]
    assert rows["marketing"]["leads"] == rows["handoff"]["decisions"] == rows["sales"]["leads"] == truth["leads"]
    assert rows["sales"]["deals"] == rows["distribution"]["deals"] == rows["marketing"]["deal_outcomes"] == truth["deals"]
    assert rows["distribution"]["orders"] == rows["sales"]["order_facts"] == truth["orders"]
    assert sums["distribution: order value"] == {"EUR": truth["order_value"]}
    assert sums["marketing: outcomes"] == {"won": population.WON, "lost": population.LOST}
    assert events["lead-generated"] == truth["leads"]
    assert events["deal-closed"] == truth["deals"]
    assert events["order-promised"] == truth["orders"]
    assert 1000 < events["lead-qualified"] == events["lead-routed"] == rows["sales"]["offers"] < population.LEADS - 1000
    groups = undisturbed.report["groups"]
    assert {value: group["leads"] for value, group in groups.items()} == truth["leads_by_origin"]
    assert {value: group["won_deals"] for value, group in groups.items()} == truth["won_by_origin"]
    assert Decimal(undisturbed.report["total"]["conversion"]) == Decimal(population.WON) / population.LEADS


def test_a_planted_difference_in_any_figure_is_found(undisturbed: Imported) -> None:
    for whole in (undisturbed.figures, undisturbed.report):
        places = list(leaves(whole))
        assert len(places) > 40
        for place in places:
            (told,) = comparing.differences(whole, planted(whole, place))
            assert told.startswith(".".join(place))


def test_a_figure_that_is_missing_is_found(undisturbed: Imported) -> None:
    fewer = copy.deepcopy(undisturbed.figures)
    del fewer["rows"]["distribution"]["orders"]
    assert list(comparing.differences(undisturbed.figures, fewer)) == ["rows.distribution.orders: only expected"]


async def test_one_row_too_many_is_counted_in_every_service(stack: Stack, undisturbed: Imported) -> None:
    for service in undisturbed.figures["rows"]:
        async with figures.connected(stack, service) as connection:
            before = await figures.rows(connection)
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("INSERT INTO inbox VALUES ($1)", new_id())
            after = await figures.rows(connection)
            await transaction.rollback()
        assert figures.since(before, after) == {"inbox": 1}


def test_what_did_not_move_is_left_out_and_what_fell_is_not() -> None:
    before = {"rows": {"a": 3, "b": 2}, "sums": {"x": 1}}
    assert figures.since(before, {"rows": {"a": 3, "b": 1, "c": 4}, "sums": {"x": 1}}) == {"rows": {"b": -1, "c": 4}}


def test_a_log_in_order_has_no_breaches_however_often_it_repeats_itself() -> None:
    assert list(topics.breaches(TOLD + TOLD[:2])) == []


@pytest.mark.parametrize(
    ("log", "breach"),
    [
        (TOLD[:2] + TOLD[3:], "numbered [1, 3]"),
        ((TOLD[2], *TOLD[:2], TOLD[3]), "1 after 2"),
        ((*TOLD, replace(TOLD[1], id="another")), "numbered [1, 1]"),
    ],
    ids=["lost", "out of order", "number used twice"],
)
def test_a_breach_in_the_log_is_found(log: tuple[Told, ...], breach: str) -> None:
    assert any(breach in found for found in topics.breaches(log))


def leaves(whole: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, inner in whole.items():
        yield from leaves(inner, (*place, name)) if isinstance(inner, Mapping) else [(*place, name)]


def planted(whole: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    name, *deeper = place
    inner = whole[name]
    return {**whole, name: planted(inner, tuple(deeper)) if deeper else "something else"}
