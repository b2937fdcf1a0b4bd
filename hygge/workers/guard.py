"""This is where a small process waits for the end of a run, and ends what the run has left.

It is executed as a file of its own, without hygge beside it: it may import nothing that takes time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

MARK = "HYGGE_WORKER"
"""Environment variable by which all that a worker has started is known, whoever its parent is."""

ROUNDS = 20
"""How often it is looked for what was started while others were ended."""


def end(group: int, token: str) -> None:
    """Kill the process group of a worker, and all that carries its *token* elsewhere."""
    for _ in range(ROUNDS):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        left = marked(token)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def marked(token: str) -> list[int]:
    """Return the processes with *token* in the environment that they began with.

    Where there is no ``/proc``, none are found: there, only the group of a worker is ended.
    """
    found = []
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in names:
        if name.isdigit():
            # Another user's can't be read; one that has ended has nothing left to read.
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123
                if token.encode() in file.read():
                    found.append(int(name))
    return found


def main() -> None:
    """Read ``+ group token`` and ``- group token`` until the run is gone; end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: set[tuple[int, str]] = set()
    for line in sys.stdin:
        sign, group, token = line.split()
        if sign == "+":
            watched.add((int(group), token))
        else:
            watched.discard((int(group), token))
    for group, token in watched:
        end(group, token)


if __name__ == "__main__":
    main()
