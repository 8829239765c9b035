"""Runs marketing: `python -m services.marketing api|worker|all|migrate|provision`."""

from __future__ import annotations

from services.marketing.app import SERVICE
from shared.runtime.main import main

main(SERVICE)
