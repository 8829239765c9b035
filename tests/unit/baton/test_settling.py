"""When a service has nothing to do, told by its metrics alone."""

from __future__ import annotations

import pytest

from baton.world.settling import is_quiet

QUIET = """\
# HELP baton_consumer_lag_records Records behind the end of the log
baton_relay_is_leader 1.0
baton_relay_blocked 0.0
baton_outbox_oldest_unpublished_seconds 0.0
baton_consumer_lag_records{part="0",topic="deal-closed"} 0.0
baton_consumer_lag_records{part="1",topic="deal-closed"} 0.0
"""


def test_a_service_that_leads_and_lags_nowhere_is_quiet():
    assert is_quiet(QUIET)


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("baton_relay_is_leader 1.0", "baton_relay_is_leader 0.0"),
        ("baton_relay_blocked 0.0", "baton_relay_blocked 1.0"),
        ("baton_outbox_oldest_unpublished_seconds 0.0", "baton_outbox_oldest_unpublished_seconds 0.4"),
        ('topic="deal-closed"} 0.0', 'topic="deal-closed"} 7.0'),
    ],
)
def test_a_service_that_has_something_to_do_is_not(line: str, instead: str):
    assert not is_quiet(QUIET.replace(line, instead))


def test_a_service_that_knows_no_lag_yet_is_not_quiet_however_little_it_says():
    silent = "\n".join(line for line in QUIET.splitlines() if not line.startswith("baton_consumer_lag"))
    assert not is_quiet(silent)
