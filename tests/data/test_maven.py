"""Maven's opportunities: the expected figures of the pipeline."""

from __future__ import annotations

from typing import Any

from tests.data import comparing, maven, reports
from tests.data.importing import Imported
from tests.data.test_readers import MAVEN_LEFT_OUT

PIPELINE = ("pipeline", "--source", "maven")


def test_the_figures_of_the_pipeline(baton: Imported, crm: maven.Crm, expected: dict[str, Any]):
    comparing.assert_same(comparing.without(expected["maven_crm"], MAVEN_LEFT_OUT), _pipeline(baton, crm), at_least=250)


def test_the_figures_of_the_pipeline_as_counted_from_the_rows(baton: Imported, crm: maven.Crm):
    comparing.assert_same(maven.figures(crm), _pipeline(baton, crm), at_least=250)


def test_the_stages_of_sales_hold_what_the_words_of_the_source_say(baton: Imported, expected: dict[str, Any]):
    total = baton.report(*PIPELINE, "--by", "stage")["total"]
    stages = expected["maven_crm"]["by_stage"]
    assert (total["won"], total["lost"], total["open"]) == (stages["Won"], stages["Lost"], stages["Engaging"] + stages["Prospecting"])
    counts = {stage["stage_code"]: stage["count"] for stage in total["stages"]}
    assert counts["prospecting"] == stages["Prospecting"]
    assert counts["qualification"] == stages["Engaging"]
    assert sum(counts.values()) == total["count"]


def _pipeline(baton: Imported, crm: maven.Crm) -> dict[str, Any]:
    return reports.pipeline(
        crm,
        by={name: baton.report(*PIPELINE, "--by", label) for name, label in maven.LABELS.items()},
        by_stage=baton.report(*PIPELINE, "--by", "stage"),
        by_account=baton.report(*PIPELINE, "--by", "account"),
        per_quarter=baton.report(*PIPELINE, "--per", "quarter"),
    )
