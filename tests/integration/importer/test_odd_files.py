"""Files nobody prepared for: the real marketing service has every lead of them, or it is told which rows it has not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from baton import client as clients
from baton.importer import files, mapping, plans, running
from baton.importer.journal import Journal
from baton.importer.sending import Limits
from services.marketing.app import SERVICE
from shared.db.transaction import Database
from shared.ids import new_id
from shared.runtime.service import Service
from tests import kit

MAPPING = """
[source]
code = "CODE"
name = "Shop"
time_zone = "UTC"
[files.leads]
columns = ["id", "day"]
[[feeds]]
entity = "lead"
file = "leads"
external_id = "id"
fields = { occurred_at = "day" }
labels = { note = "note" }
"""


@pytest.fixture(scope="session")
def service() -> Service:
    return SERVICE


class Silent:
    """Shows nothing."""

    def begin(self, name: str, size: int) -> None: ...
    def at(self, position: int, rows: int) -> None: ...
    def waits(self, count: int) -> None: ...


@dataclass(frozen=True)
class Shop:
    """A source of one test, and the way of its files into marketing."""

    api: kit.Api
    application: httpx2.ASGITransport
    folder: Path
    code: str

    async def takes(self, content: bytes, declared: str = "", text: str = MAPPING) -> tuple[dict[str, str | None], list[str]]:
        """The notes of all leads of the source by their own names after that file was imported, and the reasons of rejected rows."""
        path = self.folder / "a.csv"
        path.write_bytes(content)
        plan = plans.make(mapping.parse(self._mapping(declared, text).encode(), "m.toml"), "m.toml", [path])
        site = clients.Site(addresses={"marketing": "http://service"}, tokens={"marketing": self.api.token("importer")})
        rejects = self.folder / "rejects.csv"
        async with clients.Client(site, roles={}, subject="test", patience=5, transport=self.application) as client:
            await running.run(
                plan, client, limits=Limits(wait=1), rejects_path=rejects, journal=Journal(self.folder / "i.journal"), meter=Silent()
            )
        told = rejects.read_text().splitlines()[1:] if rejects.exists() else []
        return await self._leads(), told

    def _mapping(self, declared: str, text: str) -> str:
        return text.replace("CODE", self.code).replace("[[feeds]]", declared + "\n[[feeds]]", 1)

    async def _leads(self) -> dict[str, str | None]:
        items: list[dict[str, Any]] = []
        params: dict[str, Any] = {"source": self.code, "page_size": 200}
        while True:
            page = (await self.api.get("/v1/leads", role="reader", params=params)).json()
            items += page["items"]
            if not page["next"]:
                return {item["external_id"]: item["labels"].get("note") for item in items}
            params["cursor"] = page["next"]


@pytest.fixture
def shop(api: kit.Api, database: Database, keys: Path, tmp_path: Path) -> Shop:
    application = httpx2.ASGITransport(app=kit.application(SERVICE, database, keys))
    return Shop(api=api, application=application, folder=tmp_path, code=f"s-{new_id()}")


TEXT = "id,day,note\n1,2018-01-02,Côte d'Ivoire\n2,2018-01-03,čaj 茶\n"
NOTES = {"1": "Côte d'Ivoire", "2": "čaj 茶"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_the_usual_delimiters_are_found(shop: Shop, delimiter: str):
    assert await shop.takes(TEXT.replace(",", delimiter).encode()) == (NOTES, [])


async def test_any_other_delimiter_is_declared(shop: Shop):
    assert await shop.takes(TEXT.replace(",", "~").encode(), 'delimiter = "~"') == (NOTES, [])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
async def test_a_byte_order_mark_is_enough(shop: Shop, encoding: str):
    assert await shop.takes(TEXT.encode(encoding)) == (NOTES, [])


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-16-be"])
async def test_an_encoding_is_declared(shop: Shop, encoding: str):
    content = "id,day,note\n1,2018-01-02,Côte d'Ivoire\n".encode(encoding)
    assert await shop.takes(content, f'encoding = "{encoding}"') == ({"1": "Côte d'Ivoire"}, [])


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
async def test_lines_end_as_they_like(shop: Shop, end: str, last: bool):
    assert await shop.takes((TEXT if last else TEXT.rstrip()).replace("\n", end).encode()) == (NOTES, [])


async def test_newlines_in_quotes_belong_to_the_cell(shop: Shop):
    assert await shop.takes(b'id,day,note\n"1","2018-01-02","one\r\ntwo, ""three"""\n') == ({"1": 'one\r\ntwo, "three"'}, [])


async def test_three_hundred_columns_and_double_names_do_not_matter_unless_they_are_read(shop: Shop):
    more = ",".join(["same"] * 300)
    assert await shop.takes(f"id,day,note,{more}\n1,2018-01-02,x,{more}\n".encode()) == ({"1": "x"}, [])


async def test_rows_of_another_length_are_rejected_by_line(shop: Shop):
    leads, told = await shop.takes(b"id,day,note\n1,2018-01-02,x,y\n2,2018-01-02\n3,2018-01-02,z,,\n\n4,2018-01-02,z\n")
    assert leads == {"3": "z", "4": "z"}
    assert told == [
        'a.csv,2,lead,WRONG_LENGTH,,"has 4 cells, the header has 3"',
        'a.csv,3,lead,WRONG_LENGTH,,"has 2 cells, the header has 3"',
    ]


async def test_a_header_alone_is_no_lead(shop: Shop):
    assert await shop.takes(b"id,day,note") == ({}, [])


async def test_a_quote_that_is_never_closed_costs_the_rest_of_the_file_and_says_so(shop: Shop):
    leads, told = await shop.takes(b'id,day,note\n1,2018-01-02,x\n2,2018-01-02,"x\n3,2018-01-02,y\n')
    assert leads == {"1": "x"}
    (row,) = told
    assert row.startswith("a.csv,3,lead,BAD_CSV,")
    assert "a quote opened here is never closed: this row and the 1 lines after it, to the end of the file, were not read" in row


async def test_lines_lost_to_a_stray_quote_are_counted(shop: Shop):
    leads, told = await shop.takes(b'id,day,note\n1,2018-01-02,"x\n2,2018-01-02,y\n3,2018-01-02,"z"\n4,2018-01-02,w\n')
    assert leads == {"4": "w"}
    assert [re.sub(r"\(.*\)", "()", row) for row in told] == [
        'a.csv,2,lead,BAD_CSV,,"cannot be read as CSV (); the 2 lines after it were not read either"'
    ]


async def test_a_cell_of_ten_megabytes_passes_if_it_is_not_read_and_is_rejected_as_a_label(shop: Shop):
    large = "x\n" * (5 << 20)
    content = f'id,day,note,text\n1,2018-01-02,x,"{large}"\n2,2018-01-02,"{large}",y\n3,2018-01-02,z,y\n'
    leads, told = await shop.takes(content.encode())
    assert leads == {"1": "x", "2": None, "3": "z"}
    (row,) = told
    assert ",lead,LABEL_TOO_LONG,labels.note," in row


async def test_a_cell_without_end_ends_the_file(shop: Shop):
    content = 'id,day,note\n1,2018-01-02,x\n2,2018-01-02,"' + "3,2018-01-02,y\n" * (files.LONGEST_CELL // 12)
    leads, told = await shop.takes(content.encode())
    assert leads == {"1": "x"}
    (row,) = told
    assert row.startswith("a.csv,3,lead,BAD_CSV,")
    assert "has more than 16 MiB, as if a quote were never closed: the rest of the file was not read" in row


async def test_a_field_of_ten_megabytes_is_rejected_and_the_others_arrive(shop: Shop):
    large = "x" * (10 << 20)
    field = '{ occurred_at = "day", organisation_name = "text" }'
    content = f"id,day,note,text\n1,2018-01-02,x,{large}\n2,2018-01-02,y,Shop\n"
    leads, told = await shop.takes(content.encode(), text=MAPPING.replace('{ occurred_at = "day" }', field))
    assert leads == {"2": "y"}
    (row,) = told
    assert row.startswith("a.csv,2,lead,TOO_LARGE,")
