"""What a reader of a report should know beside its figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNTS = {"funnel": "leads", "pipeline": "count", "fulfilment": "orders"}


def of(report: Mapping[str, Any]) -> list[str]:
    """A sentence for each: nothing was found at all, nothing could be joined, nothing carries the label that groups."""
    where = f" of source {report['source']}" if report["source"] else ""
    if not report["total"][COUNTS[report["report"]]]:
        joined = "orders_by_label" in report
        return [f"nothing{where} could be joined with a won deal" if joined else f"nothing{where} was found"]
    if report.get("by") and all(group["value"] is None for group in report["groups"]):
        return [f"nothing{where} has the label {report['by']}: every value is missing"]
    return []
