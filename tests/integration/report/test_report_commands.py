"""`baton report` on the command line, against fixed answers: what is asked of whom, written where, refused before anything is asked."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from baton import CommandError, cli
from tests.integration.report import answering
from tests.integration.report.answering import Answering
from tests.unit.baton import report_samples as samples

INSTANT = "2026-03-01T00:00:00+00:00"


def line(number: int, order: int, **overrides: Any) -> dict[str, Any]:
    """A line as distribution tells of it."""
    return {
        "order_id": str(UUID(int=order)),
        "deal_id": str(UUID(int=99)),
        "lead_id": str(UUID(int=98)),
        "customer_id": None,
        "received_at": "2018-03-01T09:00:00Z",
        "received_on": "2018-03-01",
        "order_labels": {"status": "delivered"},
        "order_delivered": True,
        "order_cancelled": False,
        "order_on_time_by_day": True,
        "order_on_time_by_instant": False,
        "order_days": 8,
        "order_line_id": str(UUID(int=100 + number)),
        "labels": {"seller": "a"},
        "quantity": "1",
        "amount": {"amount": "10.10", "currency": "BRL"},
        "delivered": True,
        "cancelled": False,
        "on_time_by_day": True,
        "on_time_by_instant": False,
    } | overrides


def deal(number: int, **overrides: Any) -> dict[str, Any]:
    """A won deal as sales tells of it."""
    return {
        "deal_id": str(UUID(int=number)),
        "lead_id": str(UUID(int=50 + number)),
        "closed_at": "2018-01-10T09:00:00Z",
        "estimated": False,
        "labels": {"seller": "a"},
    } | overrides


def lead(number: int, value: str | None) -> dict[str, Any]:
    """A lead as marketing tells of it."""
    return {"lead_id": str(UUID(int=number)), "value": value, "captured_on": "2018-01-01", "time_zone": "UTC", "estimated": False}


BARE = dict.fromkeys(("order_line_id", "labels", "quantity", "amount", "delivered", "cancelled", "on_time_by_day", "on_time_by_instant"))
ANSWERS = {
    "/v1/metrics/funnel": {
        "as_of": samples.AS_OF,
        "metrics": {"conversion": "marketing.funnel.conversion.1"},
        "time_zone": "UTC",
        "groups": [{"value": "social", **samples.funnel(8)}, {"value": None, **samples.funnel(2)}],
        "total": samples.funnel(),
    },
    "/v1/metrics/funnel/leads": {"as_of": samples.AS_OF, "items": [lead(51, "social"), lead(52, None)]},
    "/v1/metrics/won-deals": {
        "as_of": samples.AS_OF,
        "metrics": {"won_deals": "sales.won_deals.1"},
        "items": [deal(1), deal(2, labels={"seller": "b"})],
    },
    "/v1/metrics/pipeline": {
        "as_of": samples.AS_OF,
        "metrics": {"win_rate": "sales.pipeline.win_rate.1"},
        "total": samples.pipeline(),
        "groups": [{"value": "Ann", "period": None, **samples.pipeline()}],
    },
    "/v1/metrics/fulfilment": {
        "as_of": samples.AS_OF,
        "metrics": {"on_time": "distribution.fulfilment.on_time.1"},
        "level": "line",
        "total": samples.fulfilment(),
        "groups": [{"value": None, "period": "2017-06", **samples.fulfilment()}],
    },
    "/v1/metrics/fulfilment/lines": {
        "as_of": samples.AS_OF,
        "items": [
            line(1, 1),
            line(2, 1, labels={"seller": "b"}),
            line(3, 2, labels={"seller": "nobody"}),
            line(0, 3, **BARE),
            line(4, 4, labels={"seller": "b"}, order_on_time_by_day=None, order_on_time_by_instant=None, order_days=None),
        ],
    },
}


@pytest.fixture
def services() -> Iterator[Answering]:
    """Fixed answers over HTTP."""
    with answering.served(ANSWERS) as server:
        yield server


def report(services: Answering, *arguments: str) -> Result:
    """A report that must end well."""
    result = CliRunner().invoke(cli.build(), ["report", *arguments], env=services.environment)
    assert result.exit_code == 0, result.stderr or result.exception
    return result


def refusal(services: Answering, *arguments: str) -> str:
    """What a report says that is refused, although everything is there, before anything is asked."""
    with pytest.raises(CommandError) as refused:
        CliRunner().invoke(cli.build(), ["report", *arguments], env=services.environment, catch_exceptions=False)
    assert refused.value.exit_code == 2
    assert services.asked == []
    return str(refused.value)


def test_what_is_asked_reaches_the_owner(services: Answering):
    options = ("--source", "scms", "--by", "Country", "--per", "month", "--level", "line", "--from", "2010-01-01", "--to", "2010-12-31")
    found = json.loads(report(services, "fulfilment", *options, "--as-of", "2026-03-01T00:00:00Z", "--json").stdout)
    asked = {"source": "scms", "by": "Country", "per": "month", "level": "line", "from": "2010-01-01", "to": "2010-12-31", "as_of": INSTANT}
    assert services.asked == [("/v1/metrics/fulfilment", asked)]
    assert found == {"report": "fulfilment", **asked, **ANSWERS["/v1/metrics/fulfilment"]}


def test_a_pipeline_is_what_sales_answers(services: Answering):
    found = json.loads(report(services, "pipeline", "--by", "agent", "--json").stdout)
    assert services.asked == [("/v1/metrics/pipeline", {"by": "agent"})]
    assert (
        found
        == {"report": "pipeline", "source": None, "by": "agent", "per": None, "from": None, "to": None} | ANSWERS["/v1/metrics/pipeline"]
    )


def test_lines_are_joined_with_deals_and_their_leads(services: Answering):
    found = json.loads(report(services, "fulfilment", "--by", "lead.origin", "--through", "seller", "--source", "olist", "--json").stdout)
    # The first order has lines of both sellers, so it is in both groups and once in the total.
    assert [(group["value"], group["orders"], group["lines"], group["delivered"]) for group in found["groups"]] == [
        (None, 2, 2, 1),
        ("social", 1, 1, 1),
    ]
    total = found["total"]
    assert (total["through_values"], total["orders"], total["lines"], total["delivered"], total["on_time_by_day"]) == (2, 2, 3, 1, 1)
    assert total["values"] == [{"currency": "BRL", "value": "30.30"}]
    assert found["orders_by_label"] == {"status": {"delivered": 2}}
    assert found["days_won_to_first_order"] == {"n": 2, "median": "50", "mean": "50.000000", "negative": 0}
    assert found["orders_received_before_won"] == 0


def test_a_join_is_of_one_instant_over_all_pages(services: Answering):
    found = json.loads(report(services, "fulfilment", "--by", "deal.seller", "--through", "seller", "--source", "olist", "--json").stdout)
    (first, *rest) = services.asked
    assert first == ("/v1/metrics/fulfilment/lines", {"source": "olist", "page_size": "1"})
    assert {asked.get("as_of") for _, asked in rest} == {samples.AS_OF}
    assert set(found["as_of"].values()) == {samples.AS_OF}
    assert [group["value"] for group in found["groups"]] == ["b", "a"]
    assert not any("by" in asked for path, asked in services.asked if path == "/v1/metrics/funnel/leads")


def test_without_a_label_between_them_an_order_meets_its_own_deal():
    own = deal(99, lead_id=str(UUID(int=51)))
    answers = ANSWERS | {"/v1/metrics/won-deals": ANSWERS["/v1/metrics/won-deals"] | {"items": [own]}}
    with answering.served(answers) as services:
        found = json.loads(report(services, "fulfilment", "--by", "lead.origin", "--json").stdout)
    assert [(group["value"], group["orders"], group["lines"]) for group in found["groups"]] == [("social", 4, 4)]


def test_by_line_the_join_counts_lines(services: Answering):
    options = ("--by", "lead.origin", "--through", "seller", "--level", "line")
    assert json.loads(report(services, "fulfilment", *options, "--json").stdout)["total"]["delivered"] == 3


@pytest.mark.parametrize("name", ["funnel", "pipeline", "fulfilment"])
def test_every_report_has_tables_csv_and_a_chart(services: Answering, tmp_path: Path, name: str):
    found = report(services, name, "--by", "x", "--csv", str(tmp_path / "a.csv"), "--plot", str(tmp_path / "a.svg"))
    assert "total" in found.stdout
    assert found.stderr.count("written: ") == 2
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert rows[-1]["row"] == "total"
    assert b"by x" in (tmp_path / "a.svg").read_bytes()
    ElementTree.parse(tmp_path / "a.svg")  # noqa: S314  our own file


def test_csv_on_standard_output_is_nothing_but_csv(services: Answering):
    found = report(services, "pipeline", "--by", "agent", "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(found.stdout)))
    assert [row["value"] for row in rows] == ["Ann", ""]
    assert Decimal(rows[0]["mean_won_value.USD"]) == Decimal("2360.909391")


def test_json_and_a_csv_file_go_together(services: Answering, tmp_path: Path):
    found = report(services, "pipeline", "--json", "--csv", str(tmp_path / "p.csv"))
    assert json.loads(found.stdout)["total"]["count"] == 6
    assert (tmp_path / "p.csv").read_bytes().startswith(b"row,value,period,count,")


def test_a_file_of_the_same_name_is_replaced_and_no_other_is_touched(services: Answering, tmp_path: Path):
    for name in ("old.png", "other.csv"):
        (tmp_path / name).write_text("kept")
    report(services, "pipeline", "--plot", str(tmp_path / "old.png"))
    assert (tmp_path / "old.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "other.csv").read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 2


def test_an_unknown_label_is_noted_beside_the_report(services: Answering):
    found = report(services, "fulfilment", "--by", "orgin", "--json")
    assert found.stderr == "note: nothing has the label orgin: every value is missing\n"
    assert json.loads(found.stdout)["by"] == "orgin"


def test_a_question_that_makes_no_sense_is_refused_before_it_is_asked(services: Answering):
    assert "not be after" in refusal(services, "pipeline", "--from", "2018-01-02", "--to", "2018-01-01")
    assert "--through needs --by" in refusal(services, "fulfilment", "--through", "seller")
    assert "names no label" in refusal(services, "fulfilment", "--by", "lead.")
    assert "--per cannot be used" in refusal(services, "fulfilment", "--by", "lead.origin", "--per", "month")
    assert "is no instant" in refusal(services, "funnel", "--as-of", "yesterday")
    assert "needs an offset" in refusal(services, "funnel", "--as-of", "2026-03-01T12:00")
    assert "both want standard output" in refusal(services, "funnel", "--json", "--csv", "-")


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(services: Answering, tmp_path: Path):
    nowhere = tmp_path / "nowhere" / "chart.svg"
    assert f"there is no folder {nowhere.parent}" in refusal(services, "funnel", "--plot", str(nowhere))
    assert f"there is no folder {nowhere.parent}" in refusal(services, "funnel", "--csv", str(nowhere.with_suffix(".csv")))
    assert "it is a folder" in refusal(services, "funnel", "--csv", str(tmp_path))
    assert ".svg or .png" in refusal(services, "funnel", "--plot", str(tmp_path / "chart.pdf"))
    assert "both name" in refusal(services, "funnel", "--csv", str(tmp_path / "a.svg"), "--plot", str(tmp_path / "a.svg"))
    assert list(tmp_path.iterdir()) == []


def test_without_the_library_a_chart_is_refused_and_the_rest_works(services: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "`pip install matplotlib` adds it" in refusal(services, "funnel", "--plot", str(tmp_path / "a.svg"))
    assert "total" in report(services, "funnel").stdout


def test_the_library_is_loaded_for_a_chart_only(services: Answering):
    asked = "cli.build()(['report', 'funnel', '--json'], standalone_mode=False)"
    told = f"import sys; from baton import cli; {asked}; print('matplotlib' in sys.modules)"
    environment = {**os.environ, **services.environment}
    run = subprocess.run([sys.executable, "-c", told], env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.splitlines()[-1] == "False"
