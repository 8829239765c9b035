"""Runs this service's schema history."""

from services.marketing.schema import METADATA
from shared.db import migrating

migrating.run(METADATA)
