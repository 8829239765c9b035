"""Decision records and pages are complete: every library has its line, every link leads somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from shared.events import language
from tests.contract import documents, structure

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
MOST_LIBRARIES = 20


def libraries() -> set[str]:
    """The direct runtime dependencies by name: of the services and of the command."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared: list[str] = project["dependencies"] + project["optional-dependencies"]["command"]
    return {re.split(r"[\[<>=~! ]", requirement)[0] for requirement in declared}


def dead_links(page: Path) -> list[str]:
    """Relative links of a Markdown page that lead to no file or folder."""
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return [target for target in targets if "://" not in target and not (page.parent / target).exists()]


def test_every_library_has_its_reason_and_there_are_few() -> None:
    record = (ROOT / "docs" / "adr" / "0001-libraries.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| ([a-z0-9-]+) \|", record, re.MULTILINE)) - {"library"}
    assert named == libraries()
    assert len(named) <= MOST_LIBRARIES


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))
    listed = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    for path in RECORDS:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(path.name[:4])}. "), path.name
        assert all(part in text for part in ("**Context.**", "**Decision.**", "**Consequences.**")), path.name
        assert f"]({path.name})" in listed, path.name


def test_the_bound_of_shared_is_the_one_that_was_decided() -> None:
    record = (ROOT / "docs" / "adr" / "0017-kernel-share-again.md").read_text(encoding="utf-8")
    assert f"{structure.SHARED_SHARE * 100:.0f} %" in record


def test_the_picture_of_the_architecture_is_that_of_the_code() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    header = re.search(r"^\| events of .*\|$", page, re.MULTILINE)
    assert header
    columns = [cell.strip() for cell in header[0].split("|")[2:-1]]
    for producer in documents.services():
        row = re.search(rf"^\| {producer} \|(.*)\|$", page[header.end() :], re.MULTILINE)
        assert row, producer
        drawn = {column: set(re.findall(r"[a-z-]+", cell)) for column, cell in zip(columns, row[1].split("|"), strict=True)}
        told = {column: _told(producer, column) for column in columns}
        assert drawn == told, producer


def _told(producer: str, consumer: str) -> set[str]:
    kinds = [language.type_of(cls) for cls in documents.services()[consumer].handlers]
    return {kind.name for kind in kinds if kind.producer == producer}


def test_no_link_of_a_page_is_dead() -> None:
    pages = [page for part in ("docs", "services", "shared", "baton") for page in (ROOT / part).rglob("*.md")] + list(ROOT.glob("*.md"))
    assert len(pages) >= 10
    assert {page.relative_to(ROOT).as_posix(): dead for page in pages if (dead := dead_links(page))} == {}


def test_a_dead_link_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[here](page.md), [there](nowhere.md#part), [outside](https://example.org/x)")
    assert dead_links(page) == ["nowhere.md"]
