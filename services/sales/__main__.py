"""`python -m services.sales api|worker|all|migrate|provision`."""

from __future__ import annotations

from services.sales.app import SERVICE
from shared.runtime.main import main

main(SERVICE)
