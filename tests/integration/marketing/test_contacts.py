"""Contact data stay in the subject register, and are read under a scope of their own."""

from __future__ import annotations

from sqlalchemy import text

from shared.db.transaction import Database
from shared.ids import new_id
from tests import kit
from tests.integration.marketing.capturing import CONSENT, batch, captured


async def test_contact_data_are_in_the_subject_register_and_nowhere_else(api: kit.Api, database: Database, source: str) -> None:
    marker = f"marker{new_id().hex}"
    contact = {
        "given_name": f"Ada {marker}",
        "family_name": f"L {marker}",
        "email": f"{marker}@example.com",
        "phone": f"+49 {marker}",
        "organisation_name": f"{marker} Ltd",
    }
    body = {"source": source, "external_id": "1", "contact": contact}
    lead = await captured(api, **body)
    await batch(api, body | {"external_id": "2"}, body | {"country": "?"}, body | {"country": "DE"})
    answer = await api.post("/v1/leads", role="importer", json=body | {"contact": contact | {"phone": "1"}, "on_conflict": "update"})
    shown = await api.get(f"/v1/leads/{lead['lead_id']}", role="importer")
    listed = await api.get("/v1/leads", role="importer", params={"source": source})
    refused = await api.post("/v1/leads", role="importer", json=body | {"contact": contact | {"email": f"{marker} x"}})
    assert marker not in answer.text + shown.text + listed.text + refused.text
    found = set()
    async with database.engine.connect() as connection:
        tables = (
            await connection.execute(
                text("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace")
            )
        ).scalars()
        for table in tables.all():
            hits = await connection.execute(
                text(f"SELECT count(*) FROM {table} AS r WHERE r::text LIKE :plain OR r::text LIKE :hex"),
                {"plain": f"%{marker}%", "hex": f"%{marker.encode().hex()}%"},
            )
            if hits.scalar_one():
                found.add(table)
    assert found == {"subjects"}


async def test_contact_data_need_their_own_scope(api: kit.Api, source: str) -> None:
    lead = await captured(api, source=source, contact={"given_name": "Ada", "email": "ada@example.com"}, consents=[CONSENT])
    path = f"/v1/subjects/{lead['subject_id']}"
    contact = (await api.get(f"{path}/contact", role="account_manager")).json()
    assert contact == {
        "subject_id": lead["subject_id"],
        "given_name": "Ada",
        "family_name": None,
        "email": "ada@example.com",
        "phone": None,
        "organisation_name": None,
        "version": 1,
    }
    for role in ("reader", "importer", "lead_source", "marketing_manager"):
        kit.problem(await api.get(f"{path}/contact", role=role), 403, "SCOPE_MISSING")
    (entry,) = (await api.get(f"{path}/consents", role="reader")).json()["items"]
    assert {name: entry[name] for name in CONSENT} == CONSENT
    kit.problem(await api.get(f"{path}/consents", role="sales_rep"), 403, "SCOPE_MISSING")
