"""Answers of the services as reports hold them, small and made up."""

from __future__ import annotations

from typing import Any

AS_OF = "2026-03-02T12:00:00Z"


def fulfilment(orders: int = 4, **overrides: Any) -> dict[str, Any]:
    """The figures of one group of orders."""
    return {
        "orders": orders,
        "lines": 5,
        "orders_without_lines": 1,
        "orders_with_several_values": None,
        "distinct_values": None,
        "first_received_at": "2017-01-01T00:00:00Z",
        "last_received_at": "2017-06-01T00:00:00Z",
        "approved": 4,
        "shipped": 3,
        "delivered": 3,
        "cancelled": 1,
        "delivered_and_cancelled": 1,
        "on_time": {
            "delivered": 3,
            "without_promise": 0,
            "by_day": 2,
            "rate_by_day": "0.666667",
            "by_instant": 1,
            "rate_by_instant": "0.333333",
            "early": 1,
            "exact": 1,
            "late": 1,
            "median_days_late": "9",
            "max_days_late": 9,
            "max_days_early": 2,
        },
        "cycle": {
            "received_to_delivered_days": {"n": 3, "median": "11", "mean": "13.439484"},
            "received_to_approved_hours": {"n": 4, "median": "0.3236"},
            "approved_to_shipped_hours": {"n": 3, "median": "47.7864"},
            "shipped_to_delivered_hours": {"n": 3, "median": "187.5250"},
            "delivered_to_reported_days": {"n": 0, "median": None, "max": None, "same_day": 0},
        },
        "out_of_order": {
            "shipped_before_received": 0,
            "shipped_before_approved": 1,
            "delivered_before_received": 0,
            "delivered_before_shipped": 0,
        },
        "handover": {"lines": 0, "on_time": 0, "rate": None},
        "quantity": "5",
        "values": [{"currency": "BRL", "value": "117435.96", "freight": "10.10"}, {"currency": "USD", "value": "0.10", "freight": "0.00"}],
    } | overrides


def fulfilment_report(groups: list[dict[str, Any]] | None = None, **overrides: Any) -> dict[str, Any]:
    """A whole report of fulfilment."""
    return {
        "report": "fulfilment",
        "source": "olist",
        "by": None,
        "per": None,
        "level": "order",
        "from": None,
        "to": None,
        "as_of": AS_OF,
        "metrics": {"on_time": "distribution.fulfilment.on_time.1"},
        "total": fulfilment(),
        "groups": groups or [],
    } | overrides


def pipeline(count: int = 6, **overrides: Any) -> dict[str, Any]:
    """The figures of one group of opportunities and deals."""
    return {
        "count": count,
        "open": 3,
        "won": 2,
        "lost": 1,
        "win_rate": "0.666667",
        "stages": [
            {"stage_code": "proposal", "stage_type": "open", "count": 3},
            {"stage_code": "closed_won", "stage_type": "won", "count": 2},
            {"stage_code": "closed_lost", "stage_type": "lost", "count": 1},
        ],
        "days_to_close": {
            "won": {"n": 2, "median": "57", "mean": "51.781973"},
            "lost": {"n": 1, "median": "14", "mean": "14.000000"},
            "min": 1,
            "max": 138,
        },
        "values": [
            {
                "currency": "USD",
                "open_value": "300.00",
                "weighted_value": "150.00",
                "won_value": "10005534.00",
                "mean_won_value": "2360.909391",
                "median_won_value": "1117.00",
                "won_with_value": 2,
                "lost_value": "0.00",
            }
        ],
    } | overrides


def pipeline_report(groups: list[dict[str, Any]] | None = None, **overrides: Any) -> dict[str, Any]:
    """A whole report of the pipeline."""
    return {
        "report": "pipeline",
        "source": "maven",
        "by": None,
        "per": None,
        "from": None,
        "to": None,
        "as_of": AS_OF,
        "metrics": {"win_rate": "sales.pipeline.win_rate.1"},
        "total": pipeline(),
        "groups": groups or [],
    } | overrides


def funnel(leads: int = 10, **overrides: Any) -> dict[str, Any]:
    """The figures of one group of leads."""
    counts = {"leads": leads, "qualified": 5, "accepted": 4, "opportunities": 3, "customers": 2, "won_deals": 2, "delivered": 1}
    return {**counts, "conversion": "0.200000"} | overrides


def days(n: int = 2, **overrides: Any) -> dict[str, Any]:
    """Days to close of one group."""
    found = {"n": n, "min": -1, "max": 30, "mean": "14.500000", "median": "14.5"}
    return {**found, "within_7": 0, "within_30": 1, "over_180": 0, "negative": 1, "zero": 0} | overrides


def funnel_report(groups: list[dict[str, Any]] | None = None, **overrides: Any) -> dict[str, Any]:
    """A whole report of the funnel."""
    return {
        "report": "funnel",
        "source": "olist",
        "by": None,
        "from": None,
        "to": None,
        "as_of": {"marketing /v1/metrics/funnel": AS_OF, "sales /v1/metrics/won-deals": "2026-03-02T12:00:01Z"},
        "metrics": {"marketing": {"leads": "marketing.funnel.leads.1", "conversion": "marketing.funnel.conversion.1"}, "sales": {}},
        "time_zone": "UTC",
        "total": funnel(),
        "groups": groups or [],
        "days_to_close": days(),
        "days_to_close_by_group": [],
    } | overrides


def joined(orders: int = 2, **overrides: Any) -> dict[str, Any]:
    """The figures of one group of joined lines."""
    return {
        "through_values": 1,
        "orders": orders,
        "lines": 3,
        "values": [{"currency": "BRL", "value": "39.85"}],
        "delivered": 2,
        "on_time_by_day": 1,
        "rate_by_day": "0.500000",
        "on_time_by_instant": 0,
        "rate_by_instant": "0.000000",
        "days": {"n": 2, "median": "8", "mean": "8.000000"},
    } | overrides


def joined_report(groups: list[dict[str, Any]] | None = None, **overrides: Any) -> dict[str, Any]:
    """A whole report of fulfilment joined with leads."""
    return {
        "report": "fulfilment",
        "source": "olist",
        "from": None,
        "to": None,
        "by": "lead.origin",
        "through": "seller",
        "level": "order",
        "as_of": {"distribution /v1/metrics/fulfilment/lines": AS_OF},
        "metrics": {"distribution": {}, "sales": {}, "report": {"fulfilment": "report.fulfilment_by_deal.1"}},
        "total": joined(),
        "groups": groups or [],
        "orders_by_label": {"status": {"delivered": 1, "shipped": 1}},
        "days_won_to_first_order": {"n": 1, "median": "69", "mean": "69.000000", "negative": 0},
        "orders_received_before_won": 0,
    } | overrides
