"""A network and process namespace of the test's own: faults are packet filter rules in it, and nothing of it survives its first process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

INSIDE: Final = "CHAOS_INSIDE"
COMMENT: Final = "chaos"
GROUP: Final = 4242
"""What runs under this group of the system is cut off by rules; everybody else's packets pass, the judge's among them."""

MARK: Final = "1"

Direction = Literal["both", "to-server", "to-client"]


class NoNamespace(Exception):  # noqa: N818  a fact about the machine
    """This machine lets the caller have no network namespace, or has no packet filter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of the packet filter: what of a server's port is hit, and how."""

    port: int
    direction: Direction = "both"
    reset: bool = False

    def lines(self) -> list[list[str]]:
        """The rules as arguments of `iptables -A`."""
        verdict = ["-j", "REJECT", "--reject-with", "tcp-reset"] if self.reset else ["-j", "DROP"]
        sides = {"to-server": ["--dport"], "to-client": ["--sport"], "both": ["--dport", "--sport"]}[self.direction]
        if self.reset:  # a rule for the other side would swallow the reset itself
            sides = ["--dport"]
        note = ["-m", "mark", "--mark", MARK, "-m", "comment", "--comment", COMMENT]
        return [["INPUT", "-i", "lo", "-p", "tcp", side, str(self.port), *note, *verdict] for side in sides]


def is_inside() -> bool:
    """Whether this process runs in the namespace."""
    return INSIDE in os.environ


def run_inside(module: str, arguments: Sequence[str]) -> int:
    """Runs a module in a namespace of its own and returns its exit code. When it ends, all that it started has ended too."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    command = ["unshare", *user, "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    work = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-m", module, *arguments]
    try:
        return subprocess.run([*command, *work], env={**os.environ, INSIDE: "1"}, check=False).returncode
    except FileNotFoundError as error:
        raise NoNamespace(f"{error.filename} is missing: install util-linux") from None


def prepare() -> None:
    """Marks the packets of the group, in both directions. Raises NoNamespace if rules cannot be set here."""
    try:
        done = subprocess.run(["iptables", "-w", "5", "-nL", "INPUT"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NoNamespace("iptables is missing: install it") from None
    if done.returncode:
        raise NoNamespace(f"the packet filter cannot be used: {done.stderr.strip()}")
    _iptables("-t", "mangle", "-A", "OUTPUT", "-m", "owner", "--gid-owner", str(GROUP), "-j", "MARK", "--set-mark", MARK)
    Path("/proc/sys/net/ipv4/tcp_fwmark_accept").write_text("1")  # a server's answers carry the mark of who called


@contextmanager
def filtered(*rules: Rule) -> Iterator[dict[str, int]]:
    """The rules hold inside; afterwards the dict says how many packets each of them hit, by `port/direction`."""
    hit: dict[str, int] = {}
    lines = [line for rule in rules for line in rule.lines()]
    try:
        for line in lines:
            _iptables("-A", *line)
        yield hit
    finally:
        try:
            hit |= _hits()
        finally:
            for line in lines:
                _iptables("-D", *line, check=False)


def hits() -> int:
    """How many packets the present rules have hit so far."""
    return sum(_hits().values())


def _hits() -> dict[str, int]:
    listed = _iptables("-nvxL", "INPUT").splitlines()
    found: dict[str, int] = {}
    for line in listed:
        port = re.search(r"([ds])pt:(\d+)", line)
        if COMMENT in line and port:
            name = f"{port[2]}/{'to-server' if port[1] == 'd' else 'to-client'}"
            found[name] = found.get(name, 0) + int(line.split()[0])
    return found


def _iptables(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["iptables", "-w", "5", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise NoNamespace(f"iptables {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
