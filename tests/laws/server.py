"""This is where `doit` is typed hundreds of times a minute, in a process of its own each time.

What a child does can be cut off at its n-th look at the disk, and its clock can be ahead.
"""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forking import Forking, Request

TOUCHES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}
"""What Python audits before it changes the disk, beside files that are opened to be written."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """Negative if a signal ended it."""
    out: str
    err: str
    peak: int = 0
    """Bytes of memory that it took at most, with those that were taken before it was forked."""
    seconds: float = 0.0
    """How long it computed; on a busy machine it may have taken longer."""


class Server:
    """Forks a child for each command. Commands given at once wait for each other."""

    def __init__(self) -> None:
        self._forking = Forking("laws.server")

    def start(
        self,
        root: Path,
        *args: str,
        stop: tuple[int, str, int] | None = None,
        ahead: int = 0,
        step: tuple[int, int] = (0, 0),
        tick: int = 0,
        ordinary: bool = False,
        limit: int = 0,
    ) -> Callable[[], Ended]:
        """Type `doit` with *args* in *root*; return what waits for its end.

        Args:
            stop: (signal, what, n) sends itself the signal just before the n-th change of the disk
                if *what* is "touch", just before the n-th commit to the state if it is "commit",
                just after the n-th output was put into place if it is "rename".
            ahead: Seconds by which its clock is ahead.
            step: (seconds, n) steps its clock when it has been looked at n times.
            tick: Seconds to which the file system rounds times down; 0 leaves them as they are.
            ordinary: Whether modes count for root too; exits with 77 where that can't be had.
            limit: Seconds after which SIGALRM ends it; 0 for none.
        """
        clock = {"ahead": ahead, "step": step, "tick": tick, "ordinary": ordinary}
        request = {"root": os.fsdecode(root), "args": args, "stop": stop, **clock}
        self._forking.ask({**request, "limit": limit})
        return lambda: Ended(**self._forking.answer())

    def doit(self, root: Path, *args: str, **more: Any) -> Ended:
        """Type `doit` and wait."""
        return self.start(root, *args, **more)()

    def close(self) -> None:
        """End it."""
        self._forking.close()


def prepare(request: Request) -> None:
    """Set the clock, the modes and what is to stop it."""
    _set_clock(request["ahead"], *request["step"])
    if request["ordinary"] and not _obeys_modes():
        os._exit(77)
    if request["tick"]:
        _round_times(request["tick"] * 10**9)
    signal.alarm(request["limit"])
    if request["stop"]:
        _Countdown(*request["stop"])


def watch(child: int, request: Request, pause: object) -> tuple[int, dict[str, Any]]:
    """Wait for *child*; return its status, and what it took."""
    _, status, used = os.wait4(child, 0)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return status, {"peak": peak, "seconds": round(used.ru_utime + used.ru_stime, 3)}


def _obeys_modes() -> bool:
    """Give up the two capabilities by which root ignores modes; tell whether that was done."""
    import ctypes

    if os.geteuid():
        return True
    version, dac_override, dac_read_search = 0x20080522, 1, 2
    header = (ctypes.c_uint32 * 2)(version, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable; then their upper halves
    libc = ctypes.CDLL(None)
    if libc.capget(header, sets):
        return False
    for i in (0, 1):  # what counts now, and what access() goes by
        sets[i] &= ~(1 << dac_override | 1 << dac_read_search)
    return libc.capset(header, sets) == 0


def _set_clock(ahead: int, step: int, looks: int) -> None:
    """Let the clock be *ahead* by so many seconds, and by *step* more after so many *looks*."""
    if ahead or step:
        now, count = time.time_ns, itertools.count(1)
        time.time_ns = lambda: now() + (ahead + step * (next(count) > looks)) * 10**9


def _round_times(tick: int) -> None:
    """Let ``stat`` tell times as a file system does whose clock ticks each *tick* nanoseconds."""
    for name in ("stat", "lstat"):
        setattr(os, name, _rounding(getattr(os, name), tick))


def _rounding(look: Callable[..., os.stat_result], tick: int) -> Callable[..., os.stat_result]:
    def rounded(*args: Any, **options: Any) -> os.stat_result:
        found = look(*args, **options)
        values, more = found.__reduce__()[1]
        for name in ("st_mtime", "st_ctime"):
            told = more[f"{name}_ns"] // tick * tick
            more |= {f"{name}_ns": told, name: told / 10**9}
        return os.stat_result(values, more)

    return rounded


class _Countdown:
    """Sends this process a signal at the n-th time that something happens."""

    def __init__(self, number: int, what: str, left: int) -> None:
        self.number, self.what, self.left = number, what, left
        sys.addaudithook(self._hear)
        self._connect = sqlite3.connect
        sqlite3.connect = self._connected  # type: ignore[assignment]

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Hear of something just before it is done."""
        if self.left == 0 and self.what == "rename":
            self._stop()
        if event == "os.rename" and self.what == "rename":
            self.left -= 1
        elif event in TOUCHES or (event == "open" and _writes(*args)):
            self._touch()

    def _connected(self, *args: Any, **options: Any) -> sqlite3.Connection:
        connection = self._connect(*args, **options)
        connection.set_trace_callback(self._hear_statement)
        return connection

    def _hear_statement(self, statement: str) -> None:
        if statement == "COMMIT" and self.what == "commit":
            self.left -= 1
            if self.left == 0:
                self._stop()
        if self.left == 0 and self.what == "rename":
            self._stop()
        self._touch()

    def _touch(self) -> None:
        if self.what == "touch":
            self.left -= 1
            if self.left == 0:
                self._stop()

    def _stop(self) -> None:
        self.left = -1
        os.kill(os.getpid(), self.number)


def _writes(path: object, mode: str | None, flags: int) -> bool:
    return bool(flags & (os.O_WRONLY | os.O_RDWR)) and path != os.devnull
