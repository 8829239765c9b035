"""The tables of distribution, with the kernel's beside them."""

from __future__ import annotations

from sqlalchemy import MetaData

from shared.db.tables import NAMING, kernel_tables

METADATA = MetaData(naming_convention=NAMING)

kernel_tables(METADATA)
