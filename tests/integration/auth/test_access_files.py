"""The access table as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.auth.access import AccessTable
from shared.auth.failures import Misconfigured


def test_a_table_is_read_from_its_file(tmp_path: Path):
    path = tmp_path / "access.yaml"
    path.write_text("roles: {ops: [health:read]}\nroutes: {GET /v1/health: health:read}\n")
    table = AccessTable.load(path)
    assert table.scope_of("GET", "/v1/health") in table.scopes_of({"ops"})


def test_a_wrong_table_names_its_file_and_line(tmp_path: Path):
    path = tmp_path / "access.yaml"
    path.write_text("roles: {ops: [health]}\nroutes: {}\n")
    with pytest.raises(Misconfigured, match=r"access\.yaml:1: not a scope of ops"):
        AccessTable.load(path)


def test_a_missing_or_unreadable_table_is_named(tmp_path: Path):
    path = tmp_path / "access.yaml"
    with pytest.raises(Misconfigured, match=r"access\.yaml: not readable"):
        AccessTable.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=r"access\.yaml: not readable"):
        AccessTable.load(path)
