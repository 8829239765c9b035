"""What is logged of a statement that fails."""

from __future__ import annotations

import traceback

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from shared.db.transaction import Database


async def test_a_failed_statement_does_not_tell_its_parameters(database: Database) -> None:
    email = "@".join(("somebody", "example.org"))  # not as it stands here: a traceback shows lines of code
    with pytest.raises(ProgrammingError) as failed:
        async with database.transaction() as tx:
            await tx.execute(text("SELECT CAST(:email AS text) FROM no_such_table"), {"email": email})
    told = "".join(traceback.format_exception(failed.value))
    assert "no_such_table" in told
    assert email not in told
