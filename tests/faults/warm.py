"""This is where `doit` is typed and stopped from outside: at its n-th call, or after so long.

Like the server of the law it imports everything once and forks for each command, so that a command
begins where Python and polars are loaded and nothing was done. Nothing is replaced in the child:
it runs until a signal comes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent


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
        kept = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTHONPATH")}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**kept, "PYTHONPATH": str(TESTS)},
            text=True,
        )

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
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"root": str(root), "args": args, "call": call, "after": after}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server has ended")
        return Ended(**json.loads(line))

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def _serve() -> None:
    from laws.server import _warm_up

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _warm_up()
    for line in sys.stdin:
        request = json.loads(line)
        files = [os.memfd_create(name) for name in ("out", "err")]
        child = os.fork()
        if not child:
            _child(request, *files)
        status, more = _wait(child, request)
        out, err = map(_text, files)
        code = os.waitstatus_to_exitcode(status)
        answers.write(json.dumps({"code": code, "out": out, "err": err, **more}) + "\n")
        answers.flush()


def _wait(child: int, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Stop *child* as it is asked for, and wait for it; return its status and what was seen."""
    calls: list[str] = []
    last = ""
    began = time.perf_counter()
    if request["call"] is not None:
        from faults.calls import count

        status, calls, last = count(child, request["call"])
    else:
        if request["after"] is not None:
            number, seconds = request["after"]
            time.sleep(seconds)
            began = time.perf_counter()
            os.kill(child, number)  # if it has ended, nobody has waited for it yet
        _, status = os.waitpid(child, 0)
    return status, {"seconds": time.perf_counter() - began, "calls": calls, "last": last}


def _text(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    with os.fdopen(file, encoding="utf-8", errors="replace") as opened:
        return opened.read()


def _child(request: dict[str, Any], out: int, err: int) -> None:
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(request["root"])
        sys.argv = ["doit", *request["args"]]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if request["call"] is not None:
            from faults.calls import be_counted

            be_counted()
        code = _command(request["args"])
    except KeyboardInterrupt:  # before hygge hears of signals; Python ends so too
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
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


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever started the suite by nohup hands it on
    _serve()
