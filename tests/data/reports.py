"""What `baton report` says, in the words of the expected figures. A group without a value is called (missing)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.data import maven, scms
from tests.data.reading import MISSING

Report = Mapping[str, Any]
Figures = dict[str, Any]

FUNNEL = ("mqls", "deals", "conversion", "by_origin", "days_to_close", "median_days_to_close_by_origin")


def funnel(report: Report) -> Figures:
    """Leads and won deals by origin."""
    return {
        **lead_counts(report["total"]),
        "by_origin": groups(report, lead_counts),
        "days_to_close": report["days_to_close"],
        "median_days_to_close_by_origin": {
            named(group["value"]): {"n": group["n"], "median": group["median"]} for group in report["days_to_close_by_group"]
        },
    }


def lead_counts(group: Report) -> Figures:
    """Of one group of leads."""
    return {"mqls": group["leads"], "deals": group["won_deals"], "conversion": group["conversion"]}


def distribution(*, by_seller: Report, by_status: Report, per_month: Report) -> Figures:
    """Orders of the marketplace, by order."""
    total, cycle, order = by_seller["total"], by_seller["total"]["cycle"], by_seller["total"]["out_of_order"]
    status = {named(group["value"]): group for group in by_status["groups"]}
    delivered, cancelled = status["delivered"], status["canceled"]
    return {
        "orders": total["orders"],
        "items": total["lines"],
        "sellers": total["distinct_values"],
        "purchase_min": naive(total["first_received_at"]),
        "purchase_max": naive(total["last_received_at"]),
        "by_status": {word: group["orders"] for word, group in status.items()},
        "missing": {
            "order_approved_at": total["orders"] - total["approved"],
            "order_delivered_carrier_date": total["orders"] - total["shipped"],
            "order_delivered_customer_date": total["orders"] - total["delivered"],
            "order_status": status[MISSING]["orders"] if MISSING in status else 0,
        },
        "orders_without_items": total["orders_without_lines"],
        "multi_seller_orders": total["orders_with_several_values"],
        "on_time_all": on_time(total),
        "on_time_by_purchase_month": {group["period"]: _month(group) for group in per_month["groups"]},
        "median_hours": {
            "purchase_to_approved": cycle["received_to_approved_hours"],
            "approved_to_carrier": cycle["approved_to_shipped_hours"],
            "carrier_to_customer": cycle["shipped_to_delivered_hours"],
        },
        "anomalies": {
            "carrier_before_approved": order["shipped_before_approved"],
            "customer_before_carrier": order["delivered_before_shipped"],
            "carrier_before_purchase": order["shipped_before_received"],
            "delivered_without_customer_date": delivered["orders"] - delivered["delivered"],
            "delivered_without_carrier_date": delivered["orders"] - delivered["shipped"],
            "delivered_without_approval": delivered["orders"] - delivered["approved"],
            "canceled_with_customer_date": total["delivered_and_cancelled"],
            "canceled_after_carrier": cancelled["shipped"],
        },
        "gmv_price": money(total, "BRL", "value"),
        "freight": money(total, "BRL", "freight"),
        "seller_handover_by_shipping_limit": {
            "items": total["handover"]["lines"],
            "on_time": total["handover"]["on_time"],
            "rate": total["handover"]["rate"],
        },
    }


def on_time(total: Report) -> Figures:
    """Both definitions, and the days that delivery took."""
    timely, days = total["on_time"], total["cycle"]["received_to_delivered_days"]
    return {
        "delivered_with_date": timely["delivered"],
        "on_time_by_timestamp": timely["by_instant"],
        "on_time_rate_by_timestamp": timely["rate_by_instant"],
        "on_time_by_date": timely["by_day"],
        "on_time_rate_by_date": timely["rate_by_day"],
        "median_days_purchase_to_delivery": days["median"],
        "mean_days_purchase_to_delivery": days["mean"],
    }


def lead_to_delivery(report: Report) -> Figures:
    """Orders joined to the deals by which their sellers were won, and to the leads of these."""
    total, first = report["total"], report["days_won_to_first_order"]
    return {
        "funnel_sellers_with_order_in_sample": total["through_values"],
        "orders": total["orders"],
        "items": total["lines"],
        "gmv_price": money(total, "BRL", "value"),
        "on_time": {
            "delivered_with_date": total["delivered"],
            "on_time_by_timestamp": total["on_time_by_instant"],
            "on_time_rate_by_timestamp": total["rate_by_instant"],
            "on_time_by_date": total["on_time_by_day"],
            "on_time_rate_by_date": total["rate_by_day"],
            "median_days_purchase_to_delivery": total["days"]["median"],
            "mean_days_purchase_to_delivery": total["days"]["mean"],
        },
        "by_origin": groups(report, _sellers),
        "days_won_to_first_order_in_sample": {
            "n": first["n"],
            "median": first["median"],
            "negative_order_before_won": first["negative"],
        },
        "orders_purchased_before_won": report["orders_received_before_won"],
        "orders_by_status": report["orders_by_label"]["status"],
    }


def history(*, by_column: Mapping[str, Report], shipments: int) -> Figures:
    """Lines of the supply chain; a report for each column by which there are groups."""
    total = by_column["Country"]["total"]
    timely, lag = total["on_time"], total["cycle"]["delivered_to_reported_days"]
    days = total["cycle"]["received_to_delivered_days"]
    return {
        "rows": total["lines"],
        "distinct_id": total["lines"],
        "distinct_po": total["orders"],
        "distinct_shipment": shipments,
        "countries": total["distinct_values"],
        "vendors": by_column["Vendor"]["total"]["distinct_values"],
        "on_time": timely["by_day"],
        "on_time_rate": timely["rate_by_day"],
        "exactly_on_day": timely["exact"],
        "early": timely["early"],
        "late": timely["late"],
        "median_days_late_when_late": timely["median_days_late"],
        "max_days_late": timely["max_days_late"],
        "max_days_early": timely["max_days_early"],
        "record_lag_days": {"median": lag["median"], "max": lag["max"], "recorded_same_day": lag["same_day"]},
        **{scms.TOP.get(column, f"by {column}"): groups(report, _lines) for column, report in by_column.items()},
        "line_item_value_sum": money(total, "USD", "value"),
        "quantity_sum": total["quantity"],
        "days_po_to_delivery": {"n": days["n"], "median": days["median"]},
        "Freight Cost (USD)": {"sum_of_numbers": money(total, "USD", "freight")},
    }


def pipeline(crm: maven.Crm, *, by: Mapping[str, Report], by_stage: Report, by_account: Report, per_quarter: Report) -> Figures:
    """Opportunities of the sales team; a report for each name of a group. Of the files, only the tables of agents and products are used."""
    total = by_stage["total"]
    counts = {name: groups(report, lambda group: group["count"]) for name, report in by.items()}
    won, lost = total["days_to_close"]["won"], total["days_to_close"]["lost"]
    return {
        "rows": total["count"],
        "by_stage": groups(by_stage, lambda group: group["count"]),
        "win_rate": total["win_rate"],
        "won_value": money(total, "USD", "won_value"),
        "mean_won_value": money(total, "USD", "mean_won_value"),
        "median_won_value": money(total, "USD", "median_won_value"),
        "lost_value": money(total, "USD", "lost_value"),
        "days_to_close": {
            "won_median": won["median"],
            "won_mean": won["mean"],
            "lost_median": lost["median"],
            "lost_mean": lost["mean"],
            "max": total["days_to_close"]["max"],
            "min": total["days_to_close"]["min"],
        },
        "missing": {
            "account": groups(by_account, lambda group: group["count"])[MISSING],
            "close_date": groups(per_quarter, lambda group: group["count"], "period")[MISSING],
        },
        **{name: groups(report, opportunities) for name, report in by.items()},
        "by_close_quarter": groups(per_quarter, opportunities, "period"),
        "agents_in_team_without_opportunity": sorted(crm.agents - counts["by_agent"].keys()),
        "products_not_in_product_table": {name: count for name, count in counts["by_product"].items() if name not in crm.products},
    }


def opportunities(group: Report) -> Figures:
    """Of one group of opportunities."""
    return {
        "won": group["won"],
        "lost": group["lost"],
        "open": group["open"],
        "win_rate": group["win_rate"],
        "won_value": money(group, "USD", "won_value"),
    }


def groups(report: Report, told: Callable[[Report], Any], key: str = "value") -> Figures:
    """What is told of each group, by its name. AssertionError for two groups of one name."""
    found = {named(group[key]): told(group) for group in report["groups"]}
    assert len(found) == len(report["groups"])
    return found


def money(group: Report, currency: str, name: str) -> Any:
    """An amount; 0 where there is none at all. AssertionError if there is another currency."""
    values: Sequence[Report] = group["values"]
    assert {value["currency"] for value in values} <= {currency}
    return values[0][name] if values else Decimal()


def named(value: str | None) -> str:
    """A value as the name of a group."""
    return MISSING if value is None else value


def naive(instant: str) -> str:
    """An instant of UTC as the files write it."""
    moment = datetime.fromisoformat(instant)
    offset = moment.utcoffset()
    assert offset is not None
    assert not offset
    return str(moment.replace(tzinfo=None))


def _month(group: Report) -> Figures:
    timely = group["on_time"]
    return {
        "orders": group["orders"],
        "delivered_with_date": timely["delivered"],
        "on_time_by_date": timely["by_day"],
        "on_time_rate_by_date": timely["rate_by_day"],
    }


def _sellers(group: Report) -> Figures:
    return {
        "sellers": group["through_values"],
        "orders": group["orders"],
        "items": group["lines"],
        "gmv_price": money(group, "BRL", "value"),
        "on_time_by_date": group["on_time_by_day"],
        "delivered_with_date": group["delivered"],
    }


def _lines(group: Report) -> Figures:
    return {
        "rows": group["lines"],
        "on_time": group["on_time"]["by_day"],
        "rate": group["on_time"]["rate_by_day"],
        "value": money(group, "USD", "value"),
    }
