"""The sample as a process: `python -m tests.integration.shared.sample_process api|worker|all|migrate|provision`."""

from shared.runtime.main import main
from tests.integration.shared import sample

main(sample.service())
