"""The tables of handoff's database."""

from sqlalchemy import MetaData

from shared.db.tables import NAMING, kernel_tables

METADATA = MetaData(naming_convention=NAMING)
kernel_tables(METADATA)
