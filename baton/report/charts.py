"""A report as a chart in a file, SVG or PNG. The library is imported only when one is drawn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baton.report import display, rows
from baton.report.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png")
MOST = 25
LONGEST_NAME = 40
WIDTH, ROW_HEIGHT, MARGIN = 10.0, 0.34, 2.0
COLOURS = {"won": "#2a9d5c", "lost": "#c8553d", "open": "#9aa5b1", "bar": "#2f6db3"}
STAGES = ("leads", "qualified", "accepted", "opportunities", "customers", "delivered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: its name, its parts (name of the part → length) and what stands behind it. No parts: there is nothing to measure."""

    name: str
    parts: Mapping[str, float]
    remark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is drawn: bars from top to bottom along an axis; `share`: the axis runs from 0 to 100 %. `note`: what is left out."""

    title: str
    definition: str
    axis: str
    bars: Sequence[Bar]
    share: bool
    note: str = ""


def chart_of(report: Mapping[str, Any]) -> Chart:
    """The chart of a report: funnel by stage, or conversion by group; pipeline by outcome; fulfilment by share on time."""
    found = rows.of(report)
    total = found[-1]
    groups = [row for row in found if not row.is_total]
    shown, note = _chosen(groups, report)
    named = [(" · ".join(map(_short, filter(None, display.name(row, report)))), row) for row in shown or [total]]
    chart = Chart(title=display.heading(report), definition="", axis="", bars=[], share=True, note=note)
    if report["report"] == "pipeline":
        bars = [_outcome(name, row) for name, row in named]
        return replace(chart, definition=_definition(report, "win_rate"), axis="opportunities and deals", bars=bars, share=False)
    if report["report"] == "fulfilment":
        rate, whole = ("rate_by_day", "delivered") if display.is_joined(report) else ("on_time.rate_by_day", "on_time.delivered")
        bars = [_share(name, row, rate, whole) for name, row in named]
        key = "fulfilment" if display.is_joined(report) else "on_time"
        return replace(chart, definition=_definition(report, key), axis="delivered by the promised day", bars=bars)
    if not groups:
        return replace(chart, definition=_definition(report, "leads"), axis="leads", bars=_stages(total), share=False)
    bars = [_share(name, row, "conversion", "leads") for name, row in named]
    return replace(chart, definition=_definition(report, "conversion"), axis="customers ÷ leads", bars=bars)


def is_possible() -> bool:
    """Whether the library that draws is installed."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def save(chart: Chart, path: Path) -> None:
    """Draw into a file, whose ending names the format; what was there is replaced. OSError if it cannot be written."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style = matplotlib.rc_context({"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "baton", "font.size": 9.0})
    with style, warnings.catch_warnings():
        # A letter that the font lacks becomes a box in the picture, which is no reason to have no picture.
        warnings.simplefilter("ignore", UserWarning)
        figure = Figure(figsize=(WIDTH, MARGIN + ROW_HEIGHT * max(1, len(chart.bars))), layout="constrained")
        FigureCanvasAgg(figure)
        _draw(figure, chart)
        figure.savefig(path, format=path.suffix.lower()[1:], dpi=144, metadata=_metadata(path))


def _draw(figure: Figure, chart: Chart) -> None:
    axes = figure.add_subplot()
    places = range(len(chart.bars))
    for part in dict.fromkeys(part for bar in chart.bars for part in bar.parts):
        before = [_before(bar, part) for bar in chart.bars]
        lengths = [bar.parts.get(part, 0.0) for bar in chart.bars]
        axes.barh(list(places), lengths, left=before, height=0.7, color=COLOURS.get(part, COLOURS["bar"]), label=part)
    for place, bar in zip(places, chart.bars, strict=True):
        axes.annotate(bar.remark, (sum(bar.parts.values()), place), xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_yticks(list(places), [bar.name for bar in chart.bars])
    axes.set_ylim(len(chart.bars) - 0.4, -0.6)
    _scale(axes, chart)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color="#e3e6ea")
    if any(len(bar.parts) > 1 for bar in chart.bars):
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False)
    title, _, moment = chart.title.rpartition(" · ")
    figure.suptitle("\n".join(filter(None, [title, f"{moment} · {chart.definition}", chart.note])), x=0.01, ha="left", wrap=True)


def _scale(axes: Axes, chart: Chart) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlabel(chart.axis)
    longest = max((sum(bar.parts.values()) for bar in chart.bars), default=0.0)
    # Room on the right for what is said of the longest bar.
    end = (longest or 1.0) * 1.22
    axes.set_xlim(0, end)
    if chart.share:
        places = 1 if end < 0.2 else 0
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.{places}f} %"))
        axes.set_xticks([tick for tick in axes.get_xticks() if tick <= min(1.0, end)])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))


def _chosen(groups: Sequence[Row], report: Mapping[str, Any]) -> tuple[Sequence[Row], str]:
    if len(groups) <= MOST:
        return groups, ""
    if report.get("per") and not report.get("by"):
        return groups[-MOST:], f"the latest {MOST} of {len(groups)} periods"
    sized = sorted(groups, key=lambda row: -_size(row))[:MOST]
    largest = {id(row) for row in sized}
    return [row for row in groups if id(row) in largest], f"the largest {MOST} of {len(groups)} groups"


def _size(row: Row) -> int:
    return next((row.figures[path] for path in ("count", "leads", "orders") if path in row.figures), 0)


def _outcome(name: str, row: Row) -> Bar:
    parts = {part: float(row.figures[part]) for part in ("won", "lost", "open")}
    rate = row.figures["win_rate"]
    return Bar(name=name, parts=parts, remark="nothing closed" if rate is None else f"{display.percent(rate)} won")


def _share(name: str, row: Row, rate: str, whole: str) -> Bar:
    share, count = row.figures[rate], row.figures[whole]
    if share is None:
        return Bar(name=name, parts={}, remark="nothing to measure")
    return Bar(name=name, parts={"share": float(Decimal(str(share)))}, remark=f"{display.percent(share)} of {count:,}")


def _stages(total: Row) -> list[Bar]:
    leads = total.figures["leads"]
    return [
        Bar(
            name=stage,
            parts={"count": float(total.figures[stage])},
            remark=f"{total.figures[stage]:,}" + (f" · {display.percent(total.figures[stage] / leads)}" if leads else ""),
        )
        for stage in STAGES
    ]


def _before(bar: Bar, part: str) -> float:
    names = list(bar.parts)
    return sum(bar.parts[each] for each in names[: names.index(part)]) if part in bar.parts else 0.0


def _definition(report: Mapping[str, Any], figure: str) -> str:
    told = report["metrics"]
    owners = [owner for owner in told.values() if isinstance(owner, Mapping)] or [told]
    return next((owner[figure] for owner in owners if figure in owner), figure)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _metadata(path: Path) -> dict[str, Any]:
    # Without the time of drawing, the same report is the same file.
    return {"Date": None} if path.suffix.lower() == ".svg" else {}
