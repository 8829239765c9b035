"""A process is known by its number, its start and the boot of the machine, never by its number alone."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from baton.local import launch, processes, state
from baton.local.errors import LocalError

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


def begin(command: list[str], folder: Path) -> processes.Process:
    return processes.start(command, record=folder / "run" / "it.json", log=folder / "it.log", folder=folder, environment=os.environ)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[processes.Process]:
    process = begin(SLEEP, tmp_path)
    yield process
    processes.stop(process, seconds=5)


def test_a_started_process_is_found_by_its_record_until_it_ends(sleeper: processes.Process, tmp_path: Path):
    assert processes.find(tmp_path / "run" / "it.json") == sleeper
    assert processes.stop(sleeper, seconds=5)
    assert processes.find(tmp_path / "run" / "it.json") is None


@pytest.mark.parametrize("change", [{"boot": "an earlier one"}, {"started": "1"}])
def test_a_process_that_took_over_a_number_is_not_ours(sleeper: processes.Process, tmp_path: Path, change: dict[str, str]):
    record = tmp_path / "run" / "it.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    assert processes.find(record) is None
    processes.stop(processes.Process(pid=sleeper.pid, started="1"), seconds=1)
    assert processes.runs(sleeper)


def test_an_unburied_process_does_not_run():
    with subprocess.Popen(["true"]) as child:
        until = time.monotonic() + 10
        while launch.started(child.pid) is not None:
            assert time.monotonic() < until


def test_the_record_exists_before_the_program_runs(tmp_path: Path):
    process = begin(["cat", str(tmp_path / "run" / "it.json")], tmp_path)
    assert processes.wait_gone(process, 10)
    assert json.loads((tmp_path / "it.log").read_text())["pid"] == process.pid


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path):
    process = begin(STUBBORN, tmp_path)
    while "deaf" not in processes.last_lines(tmp_path / "it.log"):
        assert processes.runs(process)
    assert not processes.stop(process, seconds=0.2)
    assert not processes.runs(process)


def test_a_program_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(LocalError, match="no-such-program"):
        begin(["no-such-program"], tmp_path)


def test_a_process_whose_record_is_lost_is_found_by_its_mark(tmp_path: Path):
    mark = {**os.environ, processes.MARK: str(tmp_path)}
    process = processes.start(SLEEP, record=tmp_path / "it.json", log=tmp_path / "it.log", folder=tmp_path, environment=mark)
    (tmp_path / "it.json").unlink()
    try:
        assert processes.strays(str(tmp_path)) == [process]
    finally:
        processes.stop(process, seconds=5)


def test_one_command_at_a_time_holds_an_installation(tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; from baton.local import state\n"
        "with state.locked(Path(sys.argv[1])): print('held', flush=True); input()"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with state.locked(tmp_path, waiting=holder.kill):  # a killed holder frees the lock
            assert holder.wait() < 0


def test_the_state_survives_a_round_trip_and_only_its_owner_reads_it(tmp_path: Path):
    kept = state.save(state.new(tmp_path), ports={"kafka": 21_000}, created=("kafka",))
    assert state.find(tmp_path) == kept
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_a_copied_folder_is_known_to_be_one(tmp_path: Path):
    state.save(state.new(tmp_path))
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "state.json").write_text((tmp_path / "state.json").read_text())
    assert state.get(copy).moved
