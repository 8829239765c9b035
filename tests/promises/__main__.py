"""`python -m tests.promises [T1 …] [--report FOLDER] [--seed N]`: every promise, real and broken on purpose.

Two runs at a time, each in a process of its own, on one PostgreSQL and one Kafka. Ends with 1 unless every real run held and every
broken one was found out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from baton.local import servers as local
from shared.db import migrating
from tests import kit
from tests.integration.shared import sample
from tests.promises import catalogue, reports
from tests.promises.catalogue import Promise, Variant
from tests.promises.child import STATE
from tests.promises.ground import TEMPLATE
from tests.promises.verdicts import BROKEN, HELD, INVALID, Verdict, failures

AT_ONCE = 2
CHANCES = 4
"""So often a broken variant is run, with another seed each time, before it counts as not found out: some defects need two things to meet.
What is really used has one run, and that must hold."""
GRACE_SECONDS = 40.0
"""How long beyond its scenario's limit a process may take to close and say so."""


def main() -> None:
    """Runs and reports."""
    asked = _arguments()
    promises = [catalogue.find(name) for name in asked.promises] or list(catalogue.PROMISES)
    folder = Path(tempfile.mkdtemp(prefix="baton-promises-"))
    started = time.monotonic()
    try:
        verdicts = asyncio.run(_run_all(promises, asked.variant, asked.seed, folder))
    finally:
        local.destroy(folder)
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.monotonic() - started
    print(reports.table(verdicts))  # noqa: T201
    if asked.report:
        reports.write(asked.report, verdicts, seconds)
    found = failures(verdicts)
    print("\n".join(found) or f"every promise held and every broken variant was found out, in {seconds:.0f} s")  # noqa: T201
    sys.exit(1 if found else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.promises")
    parser.add_argument("promises", nargs="*", metavar="T1")
    parser.add_argument("--variant", help="only this one, or `real`")
    parser.add_argument("--report", type=Path, help="a folder for report.md and report.json")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


async def _run_all(promises: list[Promise], only: str | None, seed: int, folder: Path) -> list[Verdict]:
    servers = await asyncio.to_thread(local.start, folder)
    service = sample.service()
    await kit.create_database(servers, TEMPLATE, service.name)
    await migrating.migrate(service.folder, servers.database_url(TEMPLATE, service.name))
    runs = [(promise, variant) for promise in promises for variant in (None, *promise.variants) if only in {None, _name(variant)}]
    several = asyncio.Semaphore(AT_ONCE)
    beside = [_judged(promise, variant, seed, folder, several) for promise, variant in runs if not promise.alone]
    verdicts = await asyncio.gather(*beside)
    one = asyncio.Semaphore(1)
    verdicts += await asyncio.gather(*(_judged(promise, variant, seed, folder, one) for promise, variant in runs if promise.alone))
    verdicts = _compared(verdicts)
    order = [(promise.name, _name(variant)) for promise, variant in runs]
    return sorted(verdicts, key=lambda verdict: order.index((verdict.promise, verdict.variant or "real")))


def _compared(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """With the outcome of variants that only figures tell from the real run."""
    real = {verdict.promise: verdict.counts for verdict in verdicts if verdict.variant is None}
    compared = []
    for verdict in verdicts:
        ratio = catalogue.find(verdict.promise).ratio
        worse = None
        if verdict.variant is not None and verdict.outcome == HELD and ratio is not None:
            worse = ratio.is_clearly_worse(verdict.counts, real.get(verdict.promise, {}))
        compared.append(replace(verdict, outcome=BROKEN, seen=[worse]) if worse else verdict)
    return compared


def _name(variant: Variant | None) -> str:
    return variant.name if variant else "real"


async def _judged(promise: Promise, variant: Variant | None, seed: int, folder: Path, turn: asyncio.Semaphore) -> Verdict:
    async with turn:
        verdict = await _child(promise, variant, seed, folder)
        for other in range(seed + 1, seed + CHANCES):
            if variant is None or promise.ratio is not None or verdict.outcome != HELD:
                break
            verdict = await _child(promise, variant, other, folder)
        return verdict


async def _child(promise: Promise, variant: Variant | None, seed: int, folder: Path) -> Verdict:
    started = time.monotonic()
    command = [sys.executable, "-m", "tests.promises.child", promise.name, "--seed", str(seed)]
    command += ["--variant", variant.name] if variant else []
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=os.environ | {STATE: str(folder)}
    )
    try:
        async with asyncio.timeout(promise.seconds + GRACE_SECONDS):
            out, err = await child.communicate()
        verdict = Verdict(**json.loads(out.splitlines()[-1]))
    except (TimeoutError, IndexError, ValueError, TypeError) as error:
        if child.returncode is None:
            child.kill()
            await child.wait()
        out, err = b"", b""
        verdict = _none(promise, variant, seed, time.monotonic() - started, f"no verdict: {type(error).__name__}")
    if verdict.outcome == INVALID:
        sys.stderr.write(err.decode(errors="replace")[-6000:])
    name = f"{verdict.promise} {verdict.variant or 'real'}"
    print(f"{name}: {verdict.outcome}, {verdict.checked} checked, {verdict.seconds} s", file=sys.stderr, flush=True)  # noqa: T201
    return verdict


def _none(promise: Promise, variant: Variant | None, seed: int, seconds: float, why: str) -> Verdict:
    return Verdict(
        promise=promise.name,
        variant=variant.name if variant else None,
        outcome=INVALID,
        seen=[why],
        checked=0,
        counts={},
        seed=seed,
        seconds=round(seconds, 1),
        versions={},
    )


if __name__ == "__main__":
    main()
