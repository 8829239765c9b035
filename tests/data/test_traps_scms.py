"""What is odd in the supply chain's file, each oddity counted from the rows and found again in the figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal

from tests.data import reading, reports, scms
from tests.data.importing import Imported
from tests.data.test_scms import LABELS, LINES

SENT, QUOTED = "PO Sent to Vendor Date", "PQ First Sent to Client Date"


def test_both_formats_of_a_date_are_read(baton: Imported, history: list[scms.Line]):
    known = [line for line in history if scms.short_day(line.cells[SENT])]
    days = [reading.days(sent, line.delivered) for line in known if (sent := scms.short_day(line.cells[SENT]))]
    told = baton.report(*LINES, "--by", "vendor")["total"]["cycle"]["received_to_delivered_days"]
    assert all("/" in line.cells[SENT] and "-" in line.cells["Scheduled Delivery Date"] for line in known)
    assert (told["n"], Decimal(told["median"])) == (len(days), reading.median(days))
    assert 0 < len(days) < len(history)


def test_a_word_where_a_date_belongs_lets_the_next_best_day_stand_in(baton: Imported, history: list[scms.Line]):
    words = Counter(line.cells[column] for line in history for column in (SENT, QUOTED) if not scms.short_day(line.cells[column]))
    assert words.keys() == {"Pre-PQ Process", "N/A - From RDC", "Date Not Captured"}
    received = _received(history)
    report = baton.report(*LINES, "--per", "year")
    lines = Counter(str(received[line.order].year) for line in history)
    orders = Counter(str(day.year) for day in received.values())
    assert {group["period"]: (group["lines"], group["orders"]) for group in report["groups"]} == {
        year: (count, orders[year]) for year, count in lines.items()
    }
    assert reports.naive(report["total"]["first_received_at"])[:10] == str(min(received.values()))
    assert reports.naive(report["total"]["last_received_at"])[:10] == str(max(received.values()))


def test_freight_counts_where_it_is_a_number_and_is_nothing_where_it_is_a_word_or_a_reference(baton: Imported, history: list[scms.Line]):
    kinds = scms.freight_kinds(history)
    assert kinds.keys() == {"number", "reference to another row", "Freight Included in Commodity Cost", "Invoiced Separately"}
    report = baton.report(*LINES, "--by", "fulfill_via")
    by_route: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in history:
        by_route[line.cells["Fulfill Via"]] += line.freight or 0
    assert reports.groups(report, lambda group: Decimal(reports.money(group, "USD", "freight"))) == by_route
    assert report["total"]["lines"] == sum(kinds.values())


def test_an_answer_that_reads_like_nothing_is_a_value(baton: Imported, history: list[scms.Line]):
    for column, word in (("Shipment Mode", "N/A"), ("Vendor INCO Term", "N/A - From RDC")):
        rows = sum(line.cells[column] == word for line in history)
        lines = {group["value"]: group["lines"] for group in baton.report(*LINES, "--by", LABELS[column])["groups"]}
        assert lines[word] == rows > 0
        assert None not in lines


def test_a_delivery_recorded_later_counts_on_the_day_it_happened(baton: Imported, history: list[scms.Line]):
    late = [reading.days(line.delivered, line.recorded) for line in history if line.recorded != line.delivered]
    total = baton.report(*LINES, "--by", "vendor")["total"]
    lag = total["cycle"]["delivered_to_reported_days"]
    assert (lag["n"], lag["same_day"], lag["max"]) == (len(history), len(history) - len(late), max(late))
    assert total["on_time"]["by_day"] == sum(line.delivered <= line.promised for line in history)


def test_rows_of_one_order_are_its_lines_each_with_its_own_promise_and_delivery(baton: Imported, history: list[scms.Line]):
    promises: defaultdict[str, set[date]] = defaultdict(set)
    for line in history:
        promises[line.order].add(line.promised)
    assert any(len(days) > 1 for days in promises.values())
    total = baton.report(*LINES, "--by", "vendor")["total"]
    assert (total["orders"], total["lines"], total["orders_without_lines"]) == (len(promises), len(history), 0)


def test_an_order_is_on_time_only_if_each_of_its_lines_is(baton: Imported, history: list[scms.Line]):
    orders: defaultdict[str, list[scms.Line]] = defaultdict(list)
    for line in history:
        orders[line.order].append(line)
    total = baton.report("fulfilment", "--source", "scms", "--level", "order")["total"]["on_time"]
    assert total["delivered"] == len(orders)
    assert total["by_day"] == sum(all(line.days_late <= 0 for line in lines) for lines in orders.values())


def test_a_reported_day_belongs_to_no_zone(baton: Imported, history: list[scms.Line]):
    told = baton.report(*LINES, "--by", "vendor")["total"]["on_time"]
    counts = Counter("early" if line.days_late < 0 else "late" if line.days_late > 0 else "exact" for line in history)
    assert {name: told[name] for name in counts} == counts
    assert told["by_day"] == told["by_instant"]


def _received(history: list[scms.Line]) -> dict[str, date]:
    received: dict[str, date] = {}
    for line in history:
        if line.order not in received:
            received[line.order] = scms.short_day(line.cells[SENT]) or scms.short_day(line.cells[QUOTED]) or line.promised
    return received
