"""The committed documents are those that follow from the code, and a difference is seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.contract import documents


def test_the_committed_documents_are_up_to_date() -> None:
    assert documents.stale(documents.ROOT) == [], "run `make contracts`"


def test_a_changed_a_missing_and_a_superfluous_document_are_seen(tmp_path: Path) -> None:
    for folder in ("events", "api"):
        shutil.copytree(documents.ROOT / "docs" / folder, tmp_path / "docs" / folder)
    before = documents.stale(tmp_path)
    schema = tmp_path / "docs" / "events" / "lead-accepted" / "1.0" / "schema.json"
    changed = json.loads(schema.read_text())
    del changed["properties"]["accepted_at"]
    schema.write_text(json.dumps(changed))
    (tmp_path / "docs" / "events" / "lead-routed" / "1.0" / "example.json").unlink()
    (tmp_path / "docs" / "api" / "loyalty.json").write_text("{}")
    assert sorted(set(documents.stale(tmp_path)) - set(before)) == [
        "docs/api/loyalty.json",
        "docs/events/lead-accepted/1.0/schema.json",
        "docs/events/lead-routed/1.0/example.json",
    ]
