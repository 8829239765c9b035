"""Silence between a service and PostgreSQL: no answer, no refusal, no end of a connection; in a network namespace of the test's own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from baton.local import jars, servers

MODULE = "tests.integration.shared.blackhole"


async def seen(folder: Path, bug: str = "") -> dict[str, Any]:
    """What the scenario saw. Fails with a sentence where this machine lets nobody drop packets."""
    await asyncio.to_thread(jars.fetch, servers.SILENT)  # in the namespace no registry can be reached
    user = () if os.geteuid() == 0 else ("--user", "--map-current-user", "--keep-caps")
    inside = ("sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-m", MODULE, str(folder), bug)
    command = ("unshare", *user, "--net", "--pid", "--fork", "--kill-child", "--mount-proc", *inside)
    scenario = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await scenario.communicate()
    file = folder / "seen.json"
    assert file.exists(), f"packets are dropped in a network namespace, which needs root or user namespaces: {said.decode()[-2000:]}"
    found = json.loads(file.read_text())
    assert "impossible" not in found, found["impossible"]
    return found


async def test_a_silent_database_is_answered_for_and_found_again_without_a_restart(tmp_path: Path) -> None:
    found = await seen(tmp_path)
    assert found["packets_dropped"] > 20
    assert set(found["silent"]) == {"503"}, found
    assert found["silent_slowest"] < 6
    assert set(found["silent_ready"]) == {"503"}, found
    assert found["ready_after"] < 10
    assert found["served_after"] < 10
    assert set(found["later"]) == {"201"}, found
    assert found["files_after"] <= found["files_before"]
    assert (found["lost"], found["restarted"]) == (0, False)


async def test_a_service_that_waits_for_a_silent_database_and_leaves_something_open_would_be_noticed(tmp_path: Path) -> None:
    found = await seen(tmp_path, "careless")
    assert found["silent_slowest"] > 6, found
    assert found["files_after"] > found["files_before"], found
