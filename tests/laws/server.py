"""This is where `doit` is typed hundreds of times a minute, in a process of its own each time.

Started as a program it imports everything once and forks for each command: a child begins where
Python and polars are loaded and nothing was done. Nothing of hygge is replaced in it; what a child
does can be cut off at its n-th look at the disk, and its clock can be ahead.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={k: v for k, v in os.environ.items() if k not in ("CI", "PYTHONPATH")},
            text=True,
        )

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
        assert self._process.stdin is not None
        clock = {"ahead": ahead, "step": step, "tick": tick, "ordinary": ordinary}
        request = {"root": os.fsdecode(root), "args": args, "stop": stop, **clock}
        request["limit"] = limit
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer

    def _answer(self) -> Ended:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server has ended")
        return Ended(**json.loads(line))

    def doit(self, root: Path, *args: str, **more: Any) -> Ended:
        """Type `doit` and wait."""
        return self.start(root, *args, **more)()

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _warm_up()
    for line in sys.stdin:
        request = json.loads(line)
        files = [os.memfd_create(name) for name in ("out", "err")]
        child = os.fork()
        if not child:
            _child(request, *files)
        _, status, used = os.wait4(child, 0)
        seconds = round(used.ru_utime + used.ru_stime, 3)
        out, err = map(_text, files)
        peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        code = os.waitstatus_to_exitcode(status)
        ended = {"code": code, "out": out, "err": err, "peak": peak, "seconds": seconds}
        answers.write(json.dumps(ended) + "\n")
        answers.flush()


def _text(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    with os.fdopen(file, encoding="utf-8", errors="replace") as opened:
        return opened.read()


def _warm_up() -> None:
    """Import what a command would; nothing may start a thread, for none survives a fork."""
    import gc
    import importlib.metadata
    import pkgutil

    import hygge

    for module in (
        "polars",
        "pyarrow.csv",
        "pyarrow.parquet",
        "jsonschema",
        "pathspec",
        "rich",
        "filelock",
    ):
        importlib.import_module(module)
    for found in pkgutil.walk_packages(hygge.__path__, "hygge."):
        importlib.import_module(found.name)
    importlib.metadata.entry_points()
    gc.freeze()
    gc.disable()  # in a child that ends soon, collecting only copies pages


def _child(request: dict[str, Any], out: int, err: int) -> None:
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(request["root"])
        sys.argv = ["doit", *request["args"]]
        _set_clock(request["ahead"], *request["step"])
        if request["ordinary"] and not _obeys_modes():
            os._exit(77)
        if request["tick"]:
            _round_times(request["tick"] * 10**9)
        signal.alarm(request["limit"])
        if request["stop"]:
            _Countdown(*request["stop"])
        code = _command(request["args"])
    except BaseException:  # noqa: BLE001 - whatever it was, the child ends with it
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


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


def _command(args: Sequence[str]) -> int:
    from doit.doit_cmd import DoitMain

    return int(DoitMain().run(list(args)) or 0)


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


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _serve()
