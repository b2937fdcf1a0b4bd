"""This is where `doit` is typed and stopped from outside: at its n-th call, or after so long.

Nothing is replaced in the child: it runs until a signal comes.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forking import Forking, Request

from faults.calls import be_counted, count


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """Negative if a signal ended it."""
    out: str
    err: str
    seconds: float
    """How long it took; from the signal on, if it was sent one after so long."""
    calls: list[str] = field(default_factory=list)
    """Names of the calls it made that can change the disk, in order; empty if nobody counted."""
    last: str = ""
    """Name of the call that it was killed before; empty if it was not."""


class Server:
    """Forks a child for each command, one at a time."""

    def __init__(self) -> None:
        self._forking = Forking("faults.warm")

    def doit(
        self,
        root: Path,
        *args: str,
        call: int | None = None,
        after: tuple[int, float] | None = None,
    ) -> Ended:
        """Type `doit` with *args* in *root*, and wait for its end.

        Args:
            call: Kills it just before its n-th call that can change the disk; 0 only counts them.
            after: (signal, seconds) sends it the signal so long after it began.
        """
        self._forking.ask({"root": str(root), "args": args, "call": call, "after": after})
        return Ended(**self._forking.answer())

    def close(self) -> None:
        """End it."""
        self._forking.close()


def prepare(request: Request) -> None:
    """Have its calls counted."""
    if request["call"] is not None:
        be_counted()


def watch(child: int, request: Request, pause: object) -> tuple[int, dict[str, Any]]:
    """Stop *child* as it is asked for, and wait for it; return its status and what was seen."""
    calls: list[str] = []
    last = ""
    began = time.perf_counter()
    if request["call"] is not None:
        status, calls, last = count(child, request["call"])
    else:
        if request["after"] is not None:
            number, seconds = request["after"]
            time.sleep(seconds)
            began = time.perf_counter()
            os.kill(child, number)  # if it has ended, nobody has waited for it yet
        _, status = os.waitpid(child, 0)
    return status, {"seconds": time.perf_counter() - began, "calls": calls, "last": last}
