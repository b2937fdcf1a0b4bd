"""This is where it is found out whether the process that began a run still works on it."""

from __future__ import annotations

import datetime
import json
import math
import os
import subprocess
from pathlib import Path

LATE = 2.0
"""Seconds by which a process may seem younger than what it wrote: some clocks tell whole ones."""


def works_on(root: Path, pid: int | None, since: datetime.datetime) -> bool:
    """Tell whether process *pid* holds the project at *root* and did so at the instant *since*.

    Args:
        pid: None if it was not written down; then it is whoever held the project last.
    """
    # The lock itself is not asked: to ask is to take it, and a run that begins at that moment
    # would be turned away. Whoever takes it writes down its process id; a run that was killed
    # leaves that behind, so the process must be there too, and be the same one.
    holder = _holder(root / ".hygge" / "lock.holder")
    pid = holder if pid is None else pid
    if pid is None or (holder is not None and holder != pid):
        return False
    return _is_there(pid) and _born(pid) <= since.timestamp() + LATE


def _holder(file: Path) -> int | None:
    try:
        pid = json.loads(file.read_text(encoding="utf-8"))["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) else None


def _is_there(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _born(pid: int) -> float:
    """Return when *pid* began, in seconds since 1970: numbers of dead processes are given again.

    Infinite where it has ended and only waits for its parent; -infinite where it can't be known.
    """
    try:
        return _born_by_proc(pid)
    except (OSError, ValueError, IndexError):
        pass
    try:
        return _born_by_ps(pid)
    except (OSError, ValueError, subprocess.SubprocessError):
        return -math.inf


def _born_by_proc(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    # After the command, which stands in parentheses and may hold some itself.
    fields = stat.rpartition(b")")[2].split()
    if fields[0] in (b"Z", b"X"):
        return math.inf
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    booted = next((int(line.split()[1]) for line in lines if line.startswith("btime ")), 0)
    if not booted:
        raise ValueError("the time of the boot is not told here")
    return booted + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _born_by_ps(pid: int) -> float:
    done = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=5,
        check=True,
    )
    state, _, born = done.stdout.strip().partition(" ")
    if state.startswith("Z"):
        return math.inf
    return datetime.datetime.strptime(born.strip(), "%a %b %d %H:%M:%S %Y").timestamp()
