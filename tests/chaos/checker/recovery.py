"""I9 everything is caught up soon after a fault is healed, I13 nothing stays taken; judged from what was sampled each second."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from tests.chaos.checker.evidence import SERVICES, Fault, Final, Sample
from tests.chaos.checker.judging import Judged, some

RECOVERY_SECONDS = 30.0
"""R: how long after healing it may take."""

DRAIN_FACTOR = 5.0
"""A backlog is promised to be gone so many times faster than it came to be."""

FRESH_SECONDS = 2.0
"""Under load something is always under way: so old may the oldest be while everything flows."""

Span = tuple[float, float]
"""Begin and end, in seconds of the monotonic clock."""

MOST_SHARE = 1.10
POOL = 10.0
LEEWAY = {"process_open_fds": 5.0 + POOL, "process_resident_memory_bytes": 48.0 * 1024 * 1024, "connections": POOL}
"""What may be added to 110 % of a small figure, so that a cache that fills is no leak: an API's pool of connections is full at first,
a worker's fills when it has much to catch up with, and stays full."""


def recovered(faults: Sequence[Fault], samples: Sequence[Sample], final: Final, load: Span) -> Judged:
    """I9: within R of each healing, and exactly at the end. Where another fault comes before it has, nobody can say.

    Where writes went on for `piled_seconds` while nothing was published, the time that the backlog may take is added: the load goes on
    beside it, so that of each second's work one part in `DRAIN_FACTOR` is new. `load`: when the load began and ended.
    """
    judged = Judged(name="I9")
    for fault in faults:
        judged.expect(not fault.expects.get("manual_restart"), f"{fault.name} on {fault.target} needed a restart by hand")
        within = RECOVERY_SECONDS + float(fault.expects.get("piled_seconds", 0)) / (DRAIN_FACTOR - 1)
        until = fault.end + within
        next_one = min((other.begin for other in faults if other is not fault and other.end > fault.end), default=math.inf)
        for service in SERVICES if until <= load[1] or next_one < until else ():
            recovered_before = _caught_up(samples, service, fault.end, min(until, next_one))
            if recovered_before or (next_one > until and fault.expects.get("settled") is not False):
                told = f"{fault.name} on {fault.target}: {service} was not ready and caught up within {within:.0f} s of healing"
                judged.expect(recovered_before, told)
    drained = final.settled is not None and final.settled <= RECOVERY_SECONDS
    judged.expect(drained, f"{RECOVERY_SECONDS:.0f} s after the load something still waits: {some(final.waiting)}")
    judged.expect(not final.not_ready, f"at the end not ready: {some(final.not_ready)}")
    return judged


def _caught_up(samples: Sequence[Sample], service: str, begin: float, end: float) -> bool:
    by_address: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.service == service and begin <= sample.at <= end + 1 and not sample.spare:
            by_address[sample.address].append(sample)
    return bool(by_address) and all(any(map(_flowing, of_one)) for of_one in by_address.values())


def _flowing(sample: Sample) -> bool:
    waits = [sample.figures.get(name, 0.0) for name in ("baton_outbox_oldest_unpublished_seconds", "baton_consumer_lag_seconds")]
    return sample.ready and bool(sample.figures) and max(waits) <= FRESH_SECONDS


def nothing_creeps(samples: Sequence[Sample], idle: tuple[Span, Span] | None) -> Judged:
    """I13: what idle processes hold at the end is at most 10 % more than what they held when they idled after the warm-up.

    Both times connections of clients have ended by themselves and pools are filled. `idle`: both spans; None where nobody rested.
    """
    judged = Judged(name="I13", asked=idle is not None)
    for service in SERVICES if idle else ():
        for name, leeway in LEEWAY.items():
            before, after = (_median(samples, service, name, span) for span in idle or ())
            if before is None or after is None:
                continue
            told = f"{service}: {name} was {before:.0f} before the faults and is {after:.0f} after them"
            judged.expect(after <= before * MOST_SHARE + leeway, told)
    return judged


def _median(samples: Sequence[Sample], service: str, name: str, span: Span) -> float | None:
    begin, end = span
    found = sorted(
        sample.figures[name] for sample in samples if sample.service == service and begin <= sample.at <= end and name in sample.figures
    )
    return found[len(found) // 2] if found else None
