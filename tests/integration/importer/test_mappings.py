"""The mappings that come with the project, and the page that explains them, against what the importer knows."""

import re
from pathlib import Path

import pytest

from baton.importer import entities, mapping
from baton.importer.mapping import Feed, File, Standing, Value

PROJECT = Path(__file__).resolve().parents[3]
PAGE = (PROJECT / "docs" / "mappings.md").read_text()
EXAMPLES = sorted((PROJECT / "mappings").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_can_be_read_and_is_explained(path: Path):
    read, _ = mapping.read(path)
    assert read.source.code == path.stem
    assert f"mappings/{path.name}" in PAGE


def test_the_examples_together_use_every_entity():
    used = {feed.entity for path in EXAMPLES for feed in mapping.read(path)[0].feeds}
    assert used == set(entities.ENTITIES)


@pytest.mark.parametrize("entity", entities.ENTITIES.values(), ids=lambda entity: entity.name)
def test_the_page_names_every_field(entity: entities.Entity):
    rows = re.findall(r"^\| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    told = " ".join(f"{what} {fields}" for what, fields in rows)
    assert re.search(rf"^\| {entity.name}\b", PAGE, re.MULTILINE)
    wanted = {*entity.fields, *(name for group in entity.groups.values() for name in group)}
    assert {name for name in wanted if not re.search(rf"\b{name}\b", told)} == set()


def test_the_page_names_every_key():
    keys = {*Value.model_fields, *File.model_fields, *Feed.model_fields, *Standing.model_fields} - {"join"}
    assert {key for key in keys if not re.search(rf"\b{key}\b", PAGE)} == set()


def test_the_tables_of_the_page_can_be_pasted():
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 5
    mapping.parse(blocks[0].encode(), "page")
    (without_deal,) = [block for block in blocks if "[feeds.standing]" in block]
    (without_lead,) = [block for block in blocks if "sales_generated" in block]
    (of_a_line,) = [block for block in blocks if 'entity = "delivery"' in block]
    head = (
        '[source]\ncode = "s"\nname = "S"\ntime_zone = "UTC"\n[defaults]\ncurrency = "EUR"\n[files.history]\nname = "h"\n'
        '[files.pipeline]\nname = "p"\n'
    )
    order = '[[feeds]]\nentity = "order"\nfile = "history"\nexternal_id = "o"\n[feeds.fields]\noccurred_at = "t"\n'
    for block in (without_lead, of_a_line, order + without_deal):
        mapping.parse((head + block).encode(), "page")
