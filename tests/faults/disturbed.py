"""This is where `doit` is typed and one of its calls fails, or waits until a file has changed.

All that it does to files can be noted too. The process that forks traces its child, so that it can
do so from the child's first call on.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forking import Forking, Request

from faults.held import LOOKING, READING, WRITING, Call, be_held, hold


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
        self._forking = Forking("faults.disturbed", enter)

    def doit(
        self,
        root: Path,
        *args: str,
        fail: tuple[int, int] | None = None,
        among: Sequence[str] = (),
        below: str = "",
        record: Path | None = None,
        change: tuple[int, Path, Callable[[], object]] | None = None,
    ) -> Ended:
        """Type `doit` with *args* in *root*, and wait for its end.

        Args:
            fail: (n, error) has the n-th call, from 1, fail with that error; 0 only counts them.
            among: Names of the calls that count.
            below: What the paths of their files, from the root, begin with.
            record: File to write every call to, to be read by `recorded`.
            change: (n, path, what) does what it is to do before the n-th call on that file, from 1,
                while the thread that makes the call is held; looks at the file are calls too.
        """
        request = {
            "root": str(root.resolve()),
            "args": args,
            "fail": fail,
            "among": list(among),
            "below": below,
            "record": str(record) if record else None,
            "change": (change[0], _inside(root, change[1])) if change else None,
        }
        self._forking.ask(request)
        return Ended(**self._forking.answer(change[2] if change else None))

    def close(self) -> None:
        """End it."""
        self._forking.close()


def recorded(file: Path) -> list[Any]:
    """Return the calls, as `faults.held.Call`, that were written to *file*."""
    return list(pickle.loads(file.read_bytes()))


def _inside(root: Path, path: Path) -> str:
    """Return *path* from *root*, as a call on it is told."""
    return (path.parent.resolve() / path.name).relative_to(root.resolve()).as_posix()


def prepare(request: Request) -> None:
    """Have its calls held."""
    if request["change"] is not None:
        be_held({**WRITING, **READING, **LOOKING})
    elif _is_held(request):
        be_held({**WRITING, **READING})


def _is_held(request: Request) -> bool:
    return any(request[what] is not None for what in ("fail", "record", "change"))


def watch(child: int, request: Request, pause: Callable[[], object]) -> tuple[int, dict[str, Any]]:
    """Disturb *child* as it is asked for, and wait for it; return its status and what it did."""
    if not _is_held(request):
        return os.waitpid(child, 0)[1], {}
    disturbed = _Disturbed(request, pause)
    status = hold(child, Path(request["root"]), disturbed.answer)
    if request["record"] is not None:
        Path(request["record"]).write_bytes(pickle.dumps(disturbed.noted))
    return status, {"calls": disturbed.made, **disturbed.hit}


class _Disturbed:
    """What is done to a command, and what was seen of it."""

    def __init__(self, request: Request, pause: Callable[[], object]) -> None:
        self.made: list[str] = []
        self.noted: list[Call] = []
        self.hit = {"hit": "", "by": ""}
        self._request = request
        self._pause = pause
        self._looks = 0

    def answer(self, call: Call) -> int:
        if self._request["record"] is not None:
            self.noted.append(call)
        if self._request["change"] is not None:
            self._change(call)
        among, below = self._request["among"], self._request["below"]
        if call.name not in among or not call.path.startswith(below):
            return 0
        number, error = self._request["fail"] or (0, 0)
        self.made.append(call.name)
        if len(self.made) != number:
            return 0
        self.hit.update(hit=call.path, by=call.name)
        return int(error)

    def _change(self, call: Call) -> None:
        number, path = self._request["change"]
        if path in (call.path, call.target):
            self._looks += 1
            if self._looks == number:
                self.hit.update(hit=path, by=call.name)
                self._pause()
