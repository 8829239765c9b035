"""`python -m services.handoff api | worker | all | migrate | provision`."""

from services.handoff.app import SERVICE
from shared.runtime.main import main

main(SERVICE)
