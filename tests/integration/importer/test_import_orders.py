"""Orders in three files, in any order, against services in a dictionary: what they hang on, what is told once, what is sent at all."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest

from baton import client as api
from baton.importer import mapping, plans, running
from baton.importer.journal import Journal
from baton.importer.sending import Limits
from shared.ids import derived_id
from tests.integration.importer import outside, shop
from tests.integration.importer.outside import Outside
from tests.integration.importer.test_import_run import Silent

FILES = shop.FILES


async def run(folder: Path, world: Outside, paths: Sequence[Path]) -> running.Tallies:
    plan = plans.make(mapping.parse(shop.MAPPING.encode(), "m.toml"), "m.toml", paths)
    site = api.Site(addresses=outside.ADDRESSES, tokens=dict.fromkeys(outside.ADDRESSES, "t"))
    async with api.Client(site, roles={}, subject="test", patience=5, transport=httpx2.MockTransport(world.answer)) as client:
        limits, journal = Limits(batch=7, wait=0.3), Journal(folder / "import.journal")
        tallies, rejected, _ = await running.run(
            plan, client, limits=limits, rejects_path=folder / "rejects.csv", journal=journal, meter=Silent()
        )
    assert rejected == 0
    return tallies


def contents(world: Outside) -> dict[str, object]:
    return {name: getattr(world, name) for name in outside.PATHS.values()}


@pytest.mark.parametrize("order", list(itertools.permutations(FILES)), ids=lambda names: "-".join(name[0] for name in names))
async def test_the_order_of_the_files_does_not_matter(tmp_path: Path, order: tuple[str, ...]):
    shop.write(tmp_path)
    usual, other = Outside(), Outside()
    await run(tmp_path, usual, [tmp_path / name for name in ("customers.csv", *FILES)])
    await run(tmp_path, other, [*(tmp_path / name for name in order), tmp_path / "customers.csv"])
    assert len(usual.order_lines) > 40
    assert contents(other) == contents(usual)


async def test_an_order_told_of_several_times_is_sent_once(tmp_path: Path):
    world = Outside()
    tallies = await run(tmp_path, world, shop.write(tmp_path))
    assert (tallies["order"].rows, tallies["order"].created, tallies["order"].repeated) == (45, 40, 5)
    assert (tallies["approval"].created, tallies["approval"].repeated) == (40, 5)
    assert (tallies["order_line"].repeated, tallies["cancellation"].created) == (0, 5)


async def test_orders_hang_on_the_deal_of_their_first_customer_or_on_a_standing_one(tmp_path: Path):
    world = Outside()
    tallies = await run(tmp_path, world, shop.write(tmp_path))
    deals = {deal["deal_id"]: name for (_, name), deal in world.deals.items()}
    hangs = {name: deals[order["deal_id"]] for (_, name), order in world.orders.items()}
    assert (hangs["o0"], hangs["o1"]) == ("c0", "c1")
    assert hangs["o5"] == "c0", "its first seller has no deal, its second has one"
    assert hangs["o3"] == "standing/s3"
    assert hangs["o2"] == "standing", "it has no item, and so no seller"
    standing = {name for name in deals.values() if name.startswith("standing")}
    assert standing == {name for name in hangs.values() if name.startswith("standing")}
    assert tallies["standing_lead"].created == tallies["standing_deal"].created == len(standing)
    for name in standing:
        assert world.leads["shop", name]["origin"] == "sales_generated"
        assert world.leads["shop", name]["labels"] == world.deals["shop", name]["labels"] == {"standing": "true"}


async def test_a_standing_deal_is_registered_before_the_orders_that_hang_on_it(tmp_path: Path):
    world = Outside()
    await run(tmp_path, world, shop.write(tmp_path))
    paths = [path for path, _ in world.requests]
    last = {path: at for at, path in enumerate(paths)}
    first = {path: at for at, path in reversed(list(enumerate(paths)))}
    assert last["/v1/leads/batch"] < last["/v1/deals/batch"] < first["/v1/orders/batch"]
    assert last["/v1/orders/batch"] < first["/v1/order-lines/batch"]
    assert last["/v1/shipments/batch"] < first["/v1/deliveries/batch"]


async def test_facts_keep_what_is_known_of_their_times(tmp_path: Path):
    world = Outside()
    await run(tmp_path, world, shop.write(tmp_path))
    assert world.orders["shop", "o1"]["occurred_at"] == "2018-02-02T12:00:00+00:00"
    assert (world.orders["shop", "o4"]["occurred_at"], world.orders["shop", "o4"]["estimated"]) == ("2018-02-10T02:00:00+00:00", True)
    assert world.deliveries["shop", "p1"]["day_only"] is True
    assert "day_only" not in world.deliveries["shop", "p0"]
    assert world.deliveries["shop", "p0"]["shipment_id"] == str(derived_id("shop", "shipment", "p0"))
    assert world.cancellations["shop", "o3"]["estimated"] is True
    assert "freight_amount" not in world.order_lines["shop", "o0-0"]
    assert world.order_lines["shop", "o1-0"]["freight_amount"] == {"amount": "3.20", "currency": "BRL"}


async def test_a_second_run_sends_the_same_again(tmp_path: Path):
    world = Outside()
    await run(tmp_path, world, shop.write(tmp_path))
    created = world.created
    tallies = await run(tmp_path, world, shop.write(tmp_path))
    assert world.created == created
    assert sum(tally.created for tally in tallies.values()) == 0
    assert tallies["standing_deal"].unchanged == len([name for _, name in world.deals if name.startswith("standing")])
