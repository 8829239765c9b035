"""`python -m tests.chaos.checker`: one run against one installation; the exit code is the verdict."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import traceback
from pathlib import Path

from tests.chaos.checker.running import Options, check, page

EXITS = {"PASS": 0, "FAIL": 1, "INVALID": 2}
BROKEN = 3


def main(arguments: list[str]) -> int:
    """Runs as the arguments say; 3 if the checker itself fails, which is no verdict."""
    options = _options(arguments)
    begun = time.monotonic()
    _tell(f"seed {options.seed}")
    try:
        verdict = asyncio.run(check(options, lambda phase: _tell(f"{time.monotonic() - begun:7.1f} s  {phase}")))
    except Exception:  # whatever it is, nothing was proved
        traceback.print_exc()
        return BROKEN
    _tell(page(options.seed, verdict))
    return EXITS[verdict.result]


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="checker", description=__doc__)
    parser.add_argument("--targets", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--seconds", type=float)
    length.add_argument("--until-healed", action="store_true")
    parser.add_argument("--faults", type=Path)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--rate", type=float, default=25.0)
    parser.add_argument("--warm-up", type=int, default=200)
    parser.add_argument("--after-heal", type=float, default=30.0)
    parser.add_argument("--drain", type=float, default=30.0)
    parser.add_argument("--rest", type=float, default=7.0)
    parser.add_argument("--min-ok", type=int, default=1000)
    told = parser.parse_args(arguments)
    return Options(
        targets=told.targets,
        out=told.out,
        seed=told.seed,
        seconds=None if told.until_healed else told.seconds,
        faults=told.faults,
        clients=told.clients,
        rate=told.rate,
        warm_up=told.warm_up,
        after_heal=told.after_heal,
        drain=told.drain,
        rest=told.rest,
        min_ok=told.min_ok,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
