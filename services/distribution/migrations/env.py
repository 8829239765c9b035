"""Runs this service's schema history."""

from services.distribution.schema import METADATA
from shared.db import migrating

migrating.run(METADATA)
