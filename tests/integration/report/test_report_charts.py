"""Charts in files: real ones, whatever the names of the groups are, and the same ones for the same report."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from baton.report import charts
from tests.unit.baton import report_samples as samples

ODD = ["$x^2$ and $y", "社交", "<svg> & \"'", "\x1b[31m", "_under_", "مبيعات", "🙂", "x" * 120]


def drawn(report: dict[str, Any], path: Path) -> bytes:
    charts.save(charts.chart_of(report), path)
    return path.read_bytes()


@pytest.mark.parametrize(
    "report", [samples.funnel_report(), samples.pipeline_report(), samples.fulfilment_report(), samples.joined_report()]
)
def test_every_report_can_be_drawn_in_both_formats(report: dict[str, Any], tmp_path: Path):
    assert drawn(report, tmp_path / "chart.png").startswith(b"\x89PNG\r\n")
    ElementTree.fromstring(drawn(report, tmp_path / "chart.SVG"))  # noqa: S314  our own file


def test_no_name_of_a_group_breaks_a_chart(tmp_path: Path):
    groups = [{"value": name, "period": None, **samples.pipeline()} for name in ODD]
    report = samples.pipeline_report(groups, by="$\\odd_label{")
    texts = [text for each in ElementTree.fromstring(drawn(report, tmp_path / "odd.svg")).itertext() if (text := each.strip())]  # noqa: S314
    assert {"$x^2$ and $y", "社交", "<svg> & \"'", "_under_"} <= set(texts)
    drawn(report, tmp_path / "odd.png")


def test_a_chart_says_what_it_shows(tmp_path: Path):
    groups = [{"value": f"agent {number}", "period": None, **samples.pipeline()} for number in range(30)]
    text = drawn(samples.pipeline_report(groups, by="agent"), tmp_path / "chart.svg").decode()
    for told in ("source maven", "by agent", samples.AS_OF, "sales.pipeline.win_rate.1", "the largest 25 of 30 groups"):
        assert told in text
    assert text.count("66.7 % won") == charts.MOST


def test_the_same_report_is_the_same_file(tmp_path: Path):
    report = samples.fulfilment_report()
    assert drawn(report, tmp_path / "a.svg") == drawn(report, tmp_path / "b.svg")
    assert drawn(report, tmp_path / "a.png") == drawn(report, tmp_path / "b.png")


def test_a_report_of_nothing_can_be_drawn(tmp_path: Path):
    nothing = samples.pipeline(0, open=0, won=0, lost=0, win_rate=None, values=[], stages=[])
    assert b"nothing closed" in drawn(samples.pipeline_report(total=nothing), tmp_path / "chart.svg")
