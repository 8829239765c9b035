"""A real file system that is full after a few megabytes, mounted in a namespace of its own: no right of root is needed for it."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# the check before a start is for hundreds of megabytes: without it, the disk is found full in the middle of things
BATON = "from baton.local import servers; servers.FREE_BYTES = 0; from baton import cli; cli.main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A small file system; it is there for what runs inside, and gone with its keeper."""

    folder: Path
    keeper: int

    @property
    def seen(self) -> Path:
        """The same folder, looked at from outside."""
        return Path(f"/proc/{self.keeper}/root{self.folder}")

    def remount(self, options: str) -> None:
        """Change its size (`size=1g`) or its rights (`ro`, `rw`)."""
        self._enter(["mount", "-o", f"remount,{options}", str(self.folder)]).check_returncode()

    def fill(self, *, leave: int = 0) -> None:
        """Take all free bytes but `leave`."""
        with (self.seen / "ballast").open("ab") as ballast:
            free = shutil.disk_usage(self.seen).free - leave
            os.posix_fallocate(ballast.fileno(), ballast.tell(), free)

    def clear(self) -> None:
        """Give back what `fill` took."""
        (self.seen / "ballast").unlink(missing_ok=True)

    def baton(self, *arguments: str, environment: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        """Run the command line inside, as an ordinary user; the state folder is on the small file system."""
        who = next(entry for entry in pwd.getpwall() if entry.pw_uid and entry.pw_uid < 60_000)
        user = os.getuid() or who.pw_uid
        inside = ["unshare", f"--map-user={user}", f"--map-group={os.getgid() or who.pw_gid}"]
        state = ["--state", str(self.folder / "state")]
        return self._enter([*inside, sys.executable, "-c", BATON, *arguments, *state], environment)

    def _enter(self, command: list[str], environment: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        inside = ["nsenter", f"--target={self.keeper}", "--user", "--mount", "--preserve-credentials", f"--wd={Path.cwd()}"]
        return subprocess.run(
            [*inside, *command], capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **(environment or {})}
        )


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Disk]:
    """A file system of this size at an empty folder. Fails where the kernel lets no user make namespaces."""
    mount = 'mount -t tmpfs -o size="$1",mode=755 none "$2" && echo mounted && exec cat'
    with subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh", size, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as keeper:
        assert keeper.stdout
        said = keeper.stdout.readline()
        assert said == "mounted\n", f"no small file system for the test: {said}{keeper.stdout.read()}"
        disk = Disk(folder=folder, keeper=keeper.pid)
        try:
            yield disk
        finally:
            disk.clear()
            disk.baton("stop")
