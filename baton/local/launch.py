"""Starts one program detached from whoever asked for it, and writes down which process it is before it runs.

A file of its own, run by path: `python -I launch.py RECORD LOG FOLDER UID:GID PROGRAM ARGUMENT…` (`-` keeps the user).
The record exists before the program does: there is no moment at which killing the caller leaves a process nobody knows of.
"""

import json
import os
import subprocess
import sys
from pathlib import Path


def boot() -> str:
    """What tells this boot of the machine from any other: a process number means nothing across boots."""
    linux = Path("/proc/sys/kernel/random/boot_id")
    if linux.exists():
        return linux.read_text().strip()
    return subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=True).stdout.strip()


def started(pid: int) -> str | None:
    """The kernel's mark of when a process began; None if there is none or it is dead and only not yet buried."""
    if not Path("/proc/self/stat").exists():
        shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.split(
            None, 1
        )
        return shown[1].strip() if len(shown) == 2 and not shown[0].startswith("Z") else None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    threads = int(fields[17])
    dead = fields[0] in "ZX" and threads <= 1  # while one thread of a killed process is left, so are its files and ports
    return None if dead else fields[19]


def _become(record: Path, log: str, folder: str, user: str, command: list[str]) -> None:
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    note = record.with_suffix(".new")
    said_before = os.fstat(output).st_size
    note.write_text(json.dumps({"pid": os.getpid(), "started": started(os.getpid()), "boot": boot(), "log_begins": said_before}))
    note.replace(record)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    if user != "-":
        uid, gid = (int(number) for number in user.split(":"))
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    os.chdir(folder)
    os.execvp(command[0], command)  # noqa: S606  a list of arguments, never a shell


def main() -> None:
    """Fork, leave the caller's session, run the program; the caller waits until it runs or has failed to."""
    record, log, folder, user, *command = sys.argv[1:]
    reader, writer = os.pipe()  # closed by a successful exec, so that its end of file says "it runs"
    if os.fork():
        os.close(writer)
        complaint = os.fdopen(reader).read()
        if complaint:
            print(complaint, file=sys.stderr)
        os._exit(1 if complaint else 0)
    try:
        _become(Path(record), log, folder, user, command)
    except OSError as error:
        os.write(writer, f"{command[0]}: {error}".encode())
        os._exit(127)


if __name__ == "__main__":
    main()
