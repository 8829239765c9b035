"""What callers were told, compared with itself: I6 safe retries, I7 no lost update, I10 availability, I11 reading what was written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tests.chaos.checker.evidence import SERVICES, Fault, Final, Row
from tests.chaos.checker.history import Attempt, Entry, Operation
from tests.chaos.checker.judging import Judged, differences, text

AVAILABLE = 0.999
_KAFKA_AWAY = frozenset({"F7", "F8", "F13"})


def safe_retries(writes: Sequence[Operation], final: Final) -> Judged:
    """I6: one key and content has one answer, whatever happens between; another content under a key is refused."""
    judged = Judged(name="I6")
    done = {event.causation for event in final.first.values()}
    for write in writes:
        if write.first.idem is None:
            continue
        answers = [each.ended for each in write.attempts if each.outcome == "ok" and each.ended is not None]
        named = f"write {write.first.op} ({write.first.route}, key {write.first.idem})"
        if write.first.f == "reuse":
            judged.expect(not answers, f"{named}: a key that was used for other content was accepted")
            refused = [each.ended.status for each in write.attempts if each.outcome == "fail" and each.ended is not None]
            judged.expect(
                all(status in {422, 429} for status in refused), f"{named}: other content under a used key was answered {refused}"
            )
            continue
        _one_answer(judged, named, write, answers)
        if write.first.idem in done:
            # A version that is outdated, or a state that forbids it, never becomes right again: so the effect came before this answer.
            ended = [each.ended for each in write.attempts if each.ended and each.ended.status in {409, 412}]
            denied = [each.status for each in ended if each.code not in _PASSING]
            judged.expect(not denied, f"{named}: it took effect, and the same again was refused with {denied}")
    return judged


def _one_answer(judged: Judged, named: str, write: Operation, answers: Sequence[Entry]) -> None:
    wants = write.first.wants
    for answer in answers:
        if wants:
            judged.expect(
                answer.status == wants, f"{named}: the answer is {answer.status}, as if an earlier attempt had left no answer behind"
            )
        stale = [result for result in answer.results if result == "unchanged"]
        if answer.results:
            judged.expect(not stale, f"{named}: {len(stale)} items were there before, as if an earlier attempt had left no answer behind")
    if len(answers) > 1:
        first = answers[0]
        equal = all((each.status, each.sha, each.etag_out) == (first.status, first.sha, first.etag_out) for each in answers)
        judged.expect(equal, f"{named}: the same key and content has several answers")
        judged.expect(all(each.replayed for each in answers[1:]), f"{named}: a later answer does not say that it is a repetition")
    if answers:
        after = write.attempts[[each.ended for each in write.attempts].index(answers[0]) + 1 :]
        refused = [each.ended.status for each in after if each.outcome == "fail" and each.ended and each.ended.code not in _PASSING]
        judged.expect(not refused, f"{named}: it was acknowledged, and the same again was refused with {refused}")


_PASSING = frozenset({"IN_FLIGHT", "CONCURRENT_CHANGE", "NOT_KNOWN_YET", "TOO_MANY_REQUESTS"})


def no_lost_update(writes: Sequence[Operation], final: Final) -> Judged:
    """I7: successful writes with If-Match form a chain, each version is consumed once, and the chain ends in the final state."""
    judged = Judged(name="I7")
    taken: defaultdict[tuple[str, str], dict[int, Operation]] = defaultdict(dict)
    highest: dict[tuple[str, str], int] = {}
    for write in writes:
        first, answer = write.first, write.answer
        if first.etag_in is None or answer is None:
            continue
        thing = (first.service, first.key)
        other = taken[thing].setdefault(first.etag_in, write)
        told = f"{first.key}: version {first.etag_in} was consumed by the writes {other.first.op} and {first.op}"
        judged.expect(other is write, told)
        if answer.etag_out is not None:
            rises = answer.etag_out > first.etag_in
            judged.expect(rises, f"{first.key}: write {first.op} led from version {first.etag_in} to {answer.etag_out}")
            highest[thing] = max(answer.etag_out, highest.get(thing, 0))
    for thing, chain in taken.items():
        _forms_chain(judged, thing, chain)
    rows = _versioned(final)
    for (service, key), version in highest.items():
        row = rows.get(key)
        if row is None:
            continue
        told = f"{service} {key}: version {version} was answered, but the last one is {row['version']}"
        judged.expect(row["version"] >= version, told)
        if row["version"] == version:
            last = max(taken[service, key].values(), key=lambda write: (write.answer and write.answer.etag_out) or 0)
            wanted = {name: value for item in last.first.val for name, value in item.has.items() if name in row}
            judged.expect(not differences(wanted, row), f"{service} {key}: version {version} does not hold what its write said")
    return judged


def _forms_chain(judged: Judged, thing: tuple[str, str], chain: dict[int, Operation]) -> None:
    reached = [answer.etag_out for write in chain.values() if (answer := write.answer) and answer.etag_out is not None]
    judged.expect(len(set(reached)) == len(reached), f"{thing[1]}: several writes led to the same version")


def _versioned(final: Final) -> dict[str, Row]:
    found: dict[str, Row] = {}
    tables = (("handoff.rule_sets", "rule_set_id"), ("sales.opportunities", "opportunity_id"), ("distribution.orders", "order_id"))
    for table, column in tables:
        found |= {text(row[column]): row for row in final.rows(table)}
    return found


def available(attempts: Sequence[Attempt], faults: Sequence[Fault]) -> Judged:
    """I10: while Kafka is away, writes are acknowledged as ever. Refusals by the business are answers, too, and count for neither side."""
    judged = Judged(name="I10", asked=False)
    for fault in faults:
        promised = fault.expects.get("available", {} if fault.name in _KAFKA_AWAY else None)
        if promised is None:
            continue
        judged.asked = True
        services = promised.get("services", SERVICES)
        share = float(promised.get("share", AVAILABLE))
        begun = [
            each
            for each in attempts
            if each.begun.idem
            and each.begun.service in services
            and fault.begin <= each.begun.t_mono <= fault.end
            and each.outcome != "fail"
        ]
        good = sum(each.outcome == "ok" for each in begun)
        judged.checked += len(begun)
        if begun and good < share * len(begun):
            judged.found.append(f"{fault.name}: {good} of {len(begun)} writes were acknowledged, less than {share:.1%}")
    return judged


def undisturbed(attempts: Sequence[Attempt], faults: Sequence[Fault]) -> Judged:
    """Where a fault promises that no caller notices it: no unknown outcome begins during it."""
    judged = Judged(name="I10", asked=False)
    for fault in faults:
        if not fault.expects.get("no_info"):
            continue
        judged.asked = True
        during = [each for each in attempts if fault.begin <= each.begun.t_mono <= fault.end]
        unknown = [each.begun.i for each in during if each.outcome == "info"]
        judged.checked += len(during)
        if unknown:
            judged.found.append(f"{fault.name}: {len(unknown)} of {len(during)} attempts had no known outcome, the first is {unknown[0]}")
    return judged


def reads_own_writes(attempts: Sequence[Attempt]) -> Judged:
    """I11: a read that begins after a write was acknowledged gives that version or a later one."""
    judged = Judged(name="I11")
    acknowledged: defaultdict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for each in attempts:
        if each.begun.f != "read" and each.outcome == "ok" and each.ended and each.ended.etag_out is not None:
            acknowledged[each.begun.service, each.begun.key].append((each.ended.t_mono, each.ended.etag_out))
    for each in attempts:
        if each.begun.f != "read" or each.outcome == "info" or each.ended is None or each.ended.status == 429:
            continue
        known = [version for at, version in acknowledged[each.begun.service, each.begun.key] if at < each.begun.t_mono]
        if not known:
            continue
        told = f"{each.begun.service} {each.begun.key}: version {max(known)} was acknowledged, then read as {each.ended.etag_out}"
        judged.expect(each.outcome == "ok" and (each.ended.etag_out or 0) >= max(known), told)
    return judged
