"""Marketing's tables: its own, and the kernel's among them."""

from __future__ import annotations

from sqlalchemy import MetaData

from shared.db.tables import NAMING, kernel_tables

METADATA = MetaData(naming_convention=NAMING)

kernel_tables(METADATA)
