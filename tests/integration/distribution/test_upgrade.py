"""Orders that were recorded before there were call-offs keep their meaning."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import asyncpg
from alembic import command

from baton.local.servers import Servers
from services.distribution.app import SERVICE
from services.distribution.cancellations import usecases as cancellations
from services.distribution.deliveries import usecases as deliveries
from services.distribution.orders import usecases as orders
from services.distribution.shipments import usecases as shipments
from shared.db import migrating
from shared.db.transaction import Database
from shared.ids import new_id
from tests import kit
from tests.conftest import WORKER

FORMER = """
    INSERT INTO orders (
        order_id, deal_id, lead_id, deal_version, standing, status, currency, order_value, received_at, recorded_at, version
    ) VALUES ($1, $1, $1, 1, true, 'shipped', 'EUR', 25.00, '2026-03-02T12:00Z', '2026-03-02T13:00Z', 4);
    INSERT INTO order_lines (
        order_line_id, order_id, line_no, deal_version, product_id, sku, fulfilment_type, quantity, unit, net_unit_price, net_amount,
        shipped_quantity, delivered_quantity, cancelled_quantity, withdrawn_quantity, delivered_on, occurred_at, recorded_at, version
    ) VALUES (
        $1, $1, 1, 1, $1, 'A', 'goods', 10, 'piece', 2.50, 25.00, 4, 3, 2, 0, '2026-03-05', '2026-03-02T12:00Z', '2026-03-02T13:00Z', 4
    );
    INSERT INTO line_cancellations (
        cancellation_id, order_line_id, order_id, deal_version, quantity, value, cause, occurred_at, recorded_at
    ) VALUES ($1, $1, $1, 1, 2, 5.00, 'imported', '2026-03-03T12:00Z', '2026-03-03T13:00Z');
    INSERT INTO shipments (shipment_id, order_id, occurred_at, recorded_at)
    VALUES ($1, $1, '2026-03-04T12:00Z', '2026-03-04T13:00Z');
    INSERT INTO shipment_lines (shipment_id, order_line_id, quantity) VALUES ($1, $1, 4);
    INSERT INTO deliveries (delivery_id, order_id, shipment_id, occurred_at, recorded_at)
    VALUES ($1, $1, $1, '2026-03-05T12:00Z', '2026-03-05T13:00Z');
    INSERT INTO delivery_lines (delivery_id, order_line_id, quantity, accepted_quantity, damaged_quantity, delivered_on)
    VALUES ($1, $1, 3, 3, 0, '2026-03-05')
"""


async def test_what_was_recorded_in_the_former_schema_keeps_its_meaning(servers: Servers):
    name, order_id = f"{WORKER}_distribution_former", new_id()
    await kit.create_database(servers, name, SERVICE.name)
    url = servers.database_url(name, SERVICE.name)
    await asyncio.to_thread(command.upgrade, migrating.configuration(SERVICE.folder, url), "0001")
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    for statement in FORMER.replace("$1", f"'{order_id}'").split(";"):
        await connection.execute(statement)
    await connection.close()
    await migrating.migrate(SERVICE.folder, url)
    database = Database(url, service=SERVICE.name)
    async with kit.rolled_back(database) as tx:
        (line,) = (await orders.get_order(tx, order_id)).lines
        assert (line.shipped_named, line.delivered_named, line.cancelled_named) == (4, 3, 2)
        (shipment,) = await shipments.list_shipments(tx, order_id, after=None, limit=1)
        (delivery,) = await deliveries.list_deliveries(tx, order_id, after=None, limit=1)
        assert {(fact.whole, fact.estimated) for fact in (shipment, delivery)} == {(False, False)}
        assert [(part.rest, part.recorded_at) for fact in (shipment, delivery) for part in fact.lines] == [
            (False, shipment.recorded_at),
            (False, delivery.recorded_at),
        ]
        order = await cancellations.cancel_order(tx, order_id, [(1, Decimal(4))], expected=4, cause=kit.cause())
        assert (order.lines[0].cancelled_quantity, order.lines[0].open, order.call_off, order.time_zone) == (6, 0, False, "UTC")
    await database.close()
