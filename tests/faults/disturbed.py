"""This is where `doit` is typed and one of its calls fails, or all that it does to files is noted.

A process of its own imports everything once and forks for each command, as in `warm`; it traces
the child, so that it can do so from its first call on.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
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
    calls: list[str] = field(default_factory=list)
    """Names of the calls on the project's files that might have failed, in order."""
    hit: str = ""
    """Path of the file, from the root, the call on which failed; empty if none did."""
    by: str = ""
    """Name of that call."""


class Server:
    """Forks a child for each command, one at a time.

    Args:
        enter: What the command begins with that starts it.
    """

    def __init__(self, enter: Sequence[str] = ()) -> None:
        kept = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTHONPATH")}
        self._process = subprocess.Popen(
            [*enter, sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**kept, "PYTHONPATH": str(TESTS)},
            text=True,
        )

    def doit(
        self,
        root: Path,
        *args: str,
        fail: tuple[int, int] | None = None,
        among: Sequence[str] = (),
        below: str = "",
        record: Path | None = None,
    ) -> Ended:
        """Type `doit` with *args* in *root*, and wait for its end.

        Args:
            fail: (n, error) has the n-th call, from 1, fail with that error; 0 only counts them.
            among: Names of the calls that count.
            below: What the paths of their files, from the root, begin with.
            record: File to write every call to, to be read by `recorded`.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "root": str(root.resolve()),
            "args": args,
            "fail": fail,
            "among": list(among),
            "below": below,
            "record": str(record) if record else None,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server has ended")
        return Ended(**json.loads(line))

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def recorded(file: Path) -> list[Any]:
    """Return the calls, as `faults.held.Call`, that were written to *file*."""
    return list(pickle.loads(file.read_bytes()))


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


def _is_held(request: dict[str, Any]) -> bool:
    return request["fail"] is not None or request["record"] is not None


def _wait(child: int, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Let the call fail that is asked for; return the status of *child* and what it did."""
    if not _is_held(request):
        return os.waitpid(child, 0)[1], {}
    from faults.held import Call, hold

    number, error = request["fail"] or (0, 0)
    made: list[str] = []
    noted: list[Call] = []
    hit = {"hit": "", "by": ""}

    def answer(call: Call) -> int:
        if request["record"] is not None:
            noted.append(call)
        if call.name not in request["among"] or not call.path.startswith(request["below"]):
            return 0
        made.append(call.name)
        if len(made) != number:
            return 0
        hit.update(hit=call.path, by=call.name)
        return int(error)

    status = hold(child, Path(request["root"]), answer)
    if request["record"] is not None:
        Path(request["record"]).write_bytes(pickle.dumps(noted))
    return status, {"calls": made, **hit}


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
        if _is_held(request):
            from faults.held import be_held

            be_held()
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


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve()
