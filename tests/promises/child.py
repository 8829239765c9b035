"""One run of one promise in a process of its own: `python -m tests.promises.child T1 [--variant id-only] [--seed N]`.

Prints one JSON verdict. What ends the scenario by an error is no verdict on the promise: the run is invalid.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
import time
import traceback
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.promises import catalogue, variants
from tests.promises.verdicts import INVALID, Findings, Verdict, judge

STATE = "BATON_PROMISES_STATE"
"""The environment variable that names the folder of the run's servers."""


def main() -> None:
    """Runs what the arguments name."""
    asked = _arguments()
    promise = catalogue.find(asked.promise)
    variant = promise.variant(asked.variant) if asked.variant else None
    started = time.monotonic()
    findings = Findings()
    versions: dict[str, str] = {}
    try:
        inside = variant is not None and not variant.outside
        hook = variants.install([*promise.always, *(variant.edits if variant and inside else ())])
        variants.check(variant.edits if variant and not inside else ())
        asyncio.run(_run(promise, variant, asked.seed, findings, versions))
        outcome, seen = judge(findings, at_least=promise.variants_at_least if variant else promise.at_least)
        unused = hook.unused()
        if unused:
            outcome, seen = INVALID, [f"never imported: {', '.join(sorted(unused))}"]
    except (Exception, asyncio.CancelledError) as error:
        traceback.print_exc()
        outcome, seen = INVALID, [f"{type(error).__name__}: {error}"[:2000], *findings.problems]
    verdict = Verdict(
        promise=promise.name,
        variant=asked.variant,
        outcome=outcome,
        seen=seen,
        checked=findings.checked,
        counts={name: round(number, 4) for name, number in findings.counts.items()},
        seed=asked.seed,
        seconds=round(time.monotonic() - started, 1),
        versions=versions,
    )
    from pydantic_core import to_json

    sys.stdout.buffer.write(to_json(asdict(verdict)) + b"\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.promises.child")
    parser.add_argument("promise")
    parser.add_argument("--variant")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


async def _run(
    promise: catalogue.Promise, variant: catalogue.Variant | None, seed: int, findings: Findings, versions: dict[str, str]
) -> None:
    from tests.promises import ground as grounds  # imports the product: after the edits are in force

    name = f"{promise.name}_{variant.name if variant else 'real'}".lower().replace("-", "_")
    scenario = getattr(importlib.import_module(promise.module), promise.function)
    with grounds.temporary_folder(name) as folder:
        ground = grounds.Ground(
            state=Path(os.environ[STATE]),
            folder=folder,
            name=name,
            seed=seed,
            variant=variant.name if variant else None,
            phase=variant.phase if variant else None,
        )
        try:
            versions |= await _versions(ground)
            async with asyncio.timeout(promise.seconds):
                await scenario(ground, findings)
        finally:
            await ground.close()


async def _versions(ground: Any) -> dict[str, str]:
    import asyncpg

    from tests.benchmark import machine

    connection = await asyncpg.connect(ground.servers.postgres_dsn())
    postgres = await connection.fetchval("SHOW server_version")
    await connection.close()
    known = machine.versions()
    return {
        "python": known["python"],
        "postgresql": postgres,
        **{name: str(known[name]) for name in ("kafka", "aiokafka", "asyncpg", "sqlalchemy", "commit")},
        "hypothesis": version("hypothesis"),
    }


if __name__ == "__main__":
    main()
