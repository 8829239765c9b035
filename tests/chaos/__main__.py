"""`python -m tests.chaos`: breaks Baton on purpose. The exit code is 0 only if everything held and everything was proved."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from baton.local import jars, servers
from baton.local.progress import Silent
from tests.chaos import namespace, runs

MODULE = "tests.chaos"


def main(arguments: list[str]) -> int:
    """Runs what was asked for in a namespace of its own; nothing of it is left afterwards but the report."""
    asked = _asked(arguments)
    if namespace.is_inside():
        namespace.prepare()
        return runs.run(asked)
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1, 1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what lies on the disk is removed
    jars.fetch(Silent())  # in the namespace there is no way out
    folder = Path(tempfile.mkdtemp(prefix="baton-chaos-"))
    asked.report.mkdir(parents=True, exist_ok=True)
    report = ["--report", str(asked.report.resolve())]
    try:
        return namespace.run_inside(MODULE, [*arguments, *report, "--seed", str(seed), "--folder", str(folder)])
    except namespace.NoNamespace as error:
        sys.stderr.write(f"no verdict: {error}\n")
        return 2
    finally:
        for each in folder.glob("site-*"):
            servers.destroy(each)
        shutil.rmtree(folder, ignore_errors=True)


def _asked(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--gate", action="store_true", help="every fail-point and eight faults: at most ten minutes")
    what.add_argument(
        "--full", action="store_true", help="every fault with three seeds, every planted bug, ten clean runs: at most an hour"
    )
    what.add_argument("--only", metavar="F5,F24", help="these faults in one run")
    what.add_argument("--fail-points", metavar="NAMES", nargs="?", const="all", help="these points, or all of them")
    what.add_argument("--kafka-away", type=float, metavar="SECONDS", nargs="?", const=600.0, help="ten minutes without Kafka")
    what.add_argument("--planted", metavar="B6", help="these planted bugs, or `all`")
    what.add_argument("--clean", type=int, metavar="N", help="runs without a fault")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--thorough", action="store_true", help="faults last as long as their description says")
    parser.add_argument("--report", type=Path, default=Path("chaos-report"))
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
