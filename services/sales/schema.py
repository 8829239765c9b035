"""The tables of this service's database: its own, beside those of the kernel."""

from __future__ import annotations

from sqlalchemy import MetaData

from shared.db.tables import NAMING, kernel_tables

METADATA = MetaData(naming_convention=NAMING)
kernel_tables(METADATA)
