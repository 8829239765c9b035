"""`python -m services.distribution api | worker | all | migrate | provision`."""

from services.distribution.app import SERVICE
from shared.runtime.main import main

main(SERVICE)
