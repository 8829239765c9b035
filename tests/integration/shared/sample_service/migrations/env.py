"""Runs the sample's schema history."""

from shared.db import migrating
from tests.integration.shared.sample import METADATA

migrating.run(METADATA)
