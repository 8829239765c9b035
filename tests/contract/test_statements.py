"""What the statements of bulk commands must look like, because only a full table would show it."""

from typing import Any

import pytest
from sqlalchemy import Select, select, union
from sqlalchemy.dialects import postgresql

from services.distribution.orders import store as orders
from services.distribution.orders.tables import orders as orders_table
from services.marketing.leads import store as leads
from services.sales.deals import store as deals
from services.sales.opportunities import store as opportunities

BY_NAME = {
    "leads": leads._LOCK_LEADS,
    "opportunities": opportunities._LOCK_KNOWN,
    "deals": deals._LOCK_KNOWN,
    "orders": orders.FIND_ORDERS,
}


def looks_up_once(statement: Select[Any], table: str) -> bool:
    """Whether the names of a batch are looked up in a query of its own, rather than once for every row of the table."""
    _, by_name = str(statement.compile(dialect=postgresql.dialect())).split("UNION")
    return f"FROM {table} JOIN" in by_name


@pytest.mark.parametrize("table", BY_NAME)
def test_a_batch_is_looked_up_by_name_in_one_pass_however_many_rows_there_are(table: str) -> None:
    assert looks_up_once(BY_NAME[table], table)


def test_a_lookup_that_is_repeated_for_every_row_is_found() -> None:
    given = orders._given
    repeated = select(orders_table.c.order_id).where(orders_table.c.source == given.c.sources)
    planted = select(orders_table).where(orders_table.c.order_id.in_(union(select(given.c.external_ids), repeated)))
    assert not looks_up_once(planted, "orders")
