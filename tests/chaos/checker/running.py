"""A run from warm-up to verdict."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.checker import leaks, reading, targets
from tests.chaos.checker.calling import Shared
from tests.chaos.checker.evidence import Fault, fault_of
from tests.chaos.checker.history import History
from tests.chaos.checker.leaks import Text
from tests.chaos.checker.load import Load
from tests.chaos.checker.recovery import Span
from tests.chaos.checker.verdict import Run, Verdict, judge
from tests.chaos.checker.watching import Watch

Tell = Callable[[str], None]
WARM_UP_SECONDS = 180.0

IDLE_SECONDS = 1.6
"""The end of a rest: connections that nobody uses have been ended by the services by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run goes. `seconds` None: the load goes on until the file `healed` is there. `rate`: writes begun per second.

    `rest`: so many seconds nobody writes, after the warm-up and again at the end, to see what idle processes hold; 0 leaves that out.
    """

    targets: Path
    out: Path
    seed: int
    seconds: float | None
    faults: Path | None = None
    clients: int = 12
    rate: float = 25.0
    warm_up: int = 200
    after_heal: float = 30.0
    drain: float = 30.0
    rest: float = 7.0
    min_ok: int = 1000


async def check(options: Options, tell: Tell) -> Verdict:
    """Drives, reads and judges; writes everything into the folder `out`. Raises what keeps the load from beginning."""
    site = targets.read(options.targets)
    options.out.mkdir(parents=True, exist_ok=True)
    known = await reading.before(site)
    signer = targets.Signer(targets=site)
    source = f"chk-{options.seed}-{int(time.time())}"
    marker = f"zq{options.seed}leak"
    watch = Watch(targets=site, path=options.out / "samples.jsonl")
    with History(options.out / "history.jsonl") as history:
        shared = Shared(targets=site, signer=signer, history=history)
        load = Load(shared, seed=options.seed, clients=options.clients, rate=options.rate, source=source, marker=marker)
        watching = asyncio.create_task(watch.run())
        try:
            await load.prepare()
            times, rested = await _phases(options, shared, load, tell)
            _enter(options, "drain", tell)
            settled, still = await reading.settle(site, options.drain)
            await asyncio.sleep(max(0.0, times[1] + options.rest - time.monotonic()))
            idle = (rested, (time.monotonic() - IDLE_SECONDS, time.monotonic())) if options.rest else None
            not_ready = await watch.not_ready()
        finally:
            watch.stopping = True
            await watching
    _enter(options, "reading", tell)
    final = await reading.read(site, known, settled=settled, still=still, not_ready=not_ready)
    faults, unreadable = _faults(options)
    secrets = [marker, *site.secrets, *{token.partition(".")[0] for token in signer.issued}]
    texts = _texts(shared, watch, site)
    run = Run(
        entries=history.entries,
        final=final,
        faults=faults,
        samples=watch.samples,
        load=times,
        idle=idle,
        secrets=secrets,
        leaked=leaks.no_leak(texts, secrets),
        min_ok=options.min_ok,
        unreadable=unreadable,
    )
    verdict = judge(run)
    document = {"seed": options.seed, "clients": options.clients, "rate": options.rate, "load_seconds": times[1] - times[0]}
    (options.out / "verdict.json").write_text(json.dumps(document | verdict.document(), indent=1) + "\n")
    (options.out / "verdict.md").write_text(page(options.seed, verdict))
    _enter(options, "done", tell)
    return verdict


def page(seed: int, verdict: Verdict) -> str:
    """The verdict for people, in Markdown."""
    lines = [f"# {verdict.result}", "", f"Seed {seed}.", "", "| invariant | checked | violations |", "|---|---|---|"]
    for each in verdict.invariants:
        lines.append(f"| {each.name} | {each.checked if each.asked else 'not asked'} | {len(each.found)} |")
    for each in verdict.invariants:
        lines += ["", f"## {each.name}", *(f"- {found}" for found in each.found[:10])] if each.found else []
    lines += ["", "## Guards that failed", *(f"- {guard}" for guard in verdict.guards)] if verdict.guards else []
    figures = {
        name: verdict.figures[name] for name in ("writes", "acknowledged", "unknown", "refused", "records", "copies", "largest_record")
    }
    return "\n".join([*lines, "", "## Figures", *(f"- {name}: {figure}" for name, figure in figures.items()), ""])


async def _phases(options: Options, shared: Shared, load: Load, tell: Tell) -> tuple[Span, Span]:
    _enter(options, "warm-up", tell)
    working = asyncio.create_task(load.run())
    try:
        await _until(working, lambda: _acknowledged(shared) >= options.warm_up, WARM_UP_SECONDS)
        if options.rest:
            shared.resting = True
            await load.fill()
            await asyncio.sleep(options.rest)
        rested = (time.monotonic() - IDLE_SECONDS, time.monotonic())
        shared.resting = False
        _enter(options, "load", tell)
        begun = time.monotonic()
        healed = options.out / "healed"
        if options.seconds is None:
            await _until(working, healed.exists, None)
        else:
            await _until(working, lambda: time.monotonic() > begun + (options.seconds or 0), None)
        _enter(options, "after-heal", tell)
        since = time.monotonic()
        await _until(working, lambda: time.monotonic() > since + options.after_heal, None)
        return (begun, time.monotonic()), rested
    finally:
        shared.stopping = True
        await working


async def _until(working: asyncio.Task[None], holds: Callable[[], bool], seconds: float | None) -> None:
    begun = time.monotonic()
    while not holds():
        if working.done():
            working.result()
            raise RuntimeError("the load ended by itself")
        if seconds is not None and time.monotonic() > begun + seconds:
            raise RuntimeError(f"no warm load within {seconds:.0f} s")
        await asyncio.sleep(0.1)


def _acknowledged(shared: Shared) -> int:
    return sum(entry.type == "ok" and entry.f != "read" for entry in shared.history.entries)


def _faults(options: Options) -> tuple[list[Fault], list[str]]:
    file = options.faults or options.out / "faults.jsonl"
    if not file.exists():
        return [], [f"there is no fault log {file.name}"] if options.faults else []
    faults: list[Fault] = []
    unreadable: list[str] = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        try:
            faults.append(fault_of(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            unreadable.append(f"line {number} of the fault log cannot be read ({type(error).__name__}: {error})")
    return faults, unreadable


def _texts(shared: Shared, watch: Watch, site: targets.Targets) -> Iterable[Text]:
    yield from shared.errors
    yield from ((f"the metrics of {address}", text) for address, text in watch.texts.items())
    yield from leaks.lines_of(site.logs)


def _enter(options: Options, phase: str, tell: Tell) -> None:
    draft = options.out / "phase.new"
    draft.write_text(phase + "\n")
    draft.replace(options.out / "phase")
    tell(phase)
