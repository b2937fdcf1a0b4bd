"""This is where `doit` is typed hundreds of times a minute, in a process of its own each time.

Started as a program it imports everything once and forks for each command: a child begins where
Python and polars are loaded and nothing was done. Nothing of hygge is replaced in it; what a child
does can be cut off at its n-th look at the disk, and its clock can be ahead.
"""

from __future__ import annotations

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
        self, root: Path, *args: str, stop: tuple[int, str, int] | None = None, ahead: int = 0
    ) -> Callable[[], Ended]:
        """Type `doit` with *args* in *root*; return what waits for its end.

        Args:
            stop: (signal, what, n) sends itself the signal just before the n-th change of the disk
                if *what* is "touch", just before the n-th commit to the state if it is "commit",
                just after the n-th output was put into place if it is "rename".
            ahead: Seconds by which its clock is ahead.
        """
        assert self._process.stdin is not None
        request = {"root": str(root), "args": args, "stop": stop, "ahead": ahead}
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
        _, status = os.waitpid(child, 0)
        out, err = map(_text, files)
        ended = {"code": os.waitstatus_to_exitcode(status), "out": out, "err": err}
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
        if request["ahead"]:
            now, ahead = time.time_ns, request["ahead"] * 10**9
            time.time_ns = lambda: now() + ahead
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
