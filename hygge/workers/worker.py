"""This is where a run supervises the process that shapes a partition until it has ended."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hygge.attempt import Attempt, Held
from hygge.errors import HyggeError, Timeout, WorkerCrashed
from hygge.workers.channel import Asked, Begin, Channel, Done, Failed, Flow, Ready, Work
from hygge.workers.guard import MARK, end

PROGRAM = """import sys
sys.path[:] = eval(sys.stdin.buffer.read())
from hygge.workers.child import main
main(int(sys.argv[1]))"""

SECONDS_TO_START = 120.0
"""What a worker may need until work can begin, on a machine that has much else to do."""

SECONDS_BETWEEN_LOOKS = 0.05
"""How often it is looked whether the process is still there."""

SECONDS_TO_TELL = 1.0
"""What a process that takes too long is given to write down where it is."""

SECONDS_TO_END = 5.0
"""What a process that was killed is given to be gone: one that waits for a disk can't be ended."""

_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+) in (?P<name>\S+)$', re.MULTILINE)


class Worker:
    """A process that shapes one partition at a time, in a session of its own.

    To be used from the thread that made it: on Linux the process ends with that thread.

    Args:
        root: The project's root.
        told: Called with ``+`` and ``-``, the process group and the token of all that it starts,
            when it is there and when it is gone.
    """

    def __init__(self, root: Path, told: Callable[[str, int, str], None]) -> None:
        self._root = root
        self._told = told
        self._token = secrets.token_hex(16)
        self._flow: object = None
        self._is_ready = False
        self._places = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        outer = os.environ.get(MARK, "")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno())],
                cwd=root,
                env={**os.environ, MARK: f"{outer} {self._token}".strip()},
                stdin=subprocess.PIPE,
                pass_fds=(theirs.fileno(), self._places.fileno()),
                # A Ctrl-C is the run's to hear: what is in flight is finished first.
                start_new_session=True,
            )
        told("+", self.pid, self._token)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as path:
            # The same modules as here, from the first import on; then nothing more can be read.
            path.write(repr(sys.path).encode())

    @property
    def pid(self) -> int:
        """Id of the process, and of its group."""
        return self._process.pid

    @property
    def is_there(self) -> bool:
        """Whether the process runs."""
        # It stays a zombie until `close`: nobody else can have its number in the meantime.
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:  # somebody waited for any child
            return False

    def attempt(self, task: str, attempt: Attempt, limit: float | None) -> Held:
        """Have *attempt* made for *task*; the worker can't be used any more if that raises.

        Raises:
            WorkerCrashed: The process has ended.
            Timeout: It took longer than *limit* seconds; it was ended, with all that it started.
            HyggeError: What the attempt raises.
            Unforeseen: What it raised was not foreseen.
        """
        started = time.monotonic()
        if not self._is_ready:
            self._begin(task)
            started = time.monotonic()
        supervised = _Supervised(task, attempt, limit, started)
        self._send(self._works(task, attempt), supervised)
        while True:
            told = self._receive(supervised)
            if isinstance(told, Done):
                return told.held
            if isinstance(told, Failed):
                raise told.error
            assert isinstance(told, Asked)
            self._send([self._answer(told, attempt)], supervised)

    def _begin(self, task: str) -> None:
        supervised = _Supervised(task, None, SECONDS_TO_START, time.monotonic())
        begin = Begin(os.getpid(), self._places.fileno())
        self._send([begin], supervised)
        self._is_ready = isinstance(self._receive(supervised), Ready)

    def _works(self, task: str, attempt: Attempt) -> list[Any]:
        shaping = attempt.shaping
        work = Work(task, shaping.partition, shaping.run, shaping.instant)
        if self._flow is shaping.prepared:
            return [work]
        self._flow = shaping.prepared
        inputs = [str(attempt.root / each.path) for each in shaping.prepared.input_sources]
        return [Flow(shaping.prepared, attempt.hashes.known(inputs)), work]

    def _answer(self, asked: Asked, attempt: Attempt) -> Any:
        try:
            return attempt.shaping.accept(asked.columns)
        except HyggeError as error:
            return error

    def _send(self, values: list[Any], supervised: _Supervised) -> None:
        for each in values:
            try:
                self._channel.send(each, supervised.left())
            except TimeoutError:
                raise self._too_long(supervised) from None
            except OSError:
                raise self._crashed(supervised) from None

    def _receive(self, supervised: _Supervised) -> Any:
        there = True
        while True:
            left = supervised.left()
            try:
                wait = SECONDS_BETWEEN_LOOKS if left is None else min(left, SECONDS_BETWEEN_LOOKS)
                return self._channel.receive(wait)
            except TimeoutError:
                # What it said last comes before what its end says. That nothing more can come is
                # not told by the channel while something that it started has it too.
                if not there:
                    raise self._crashed(supervised) from None
                there = self.is_there
                if there and left is not None and left <= 0:
                    raise self._too_long(supervised) from None
            except Exception:  # noqa: BLE001 - it is gone, or what it said makes no sense
                raise self._crashed(supervised) from None

    def _crashed(self, supervised: _Supervised) -> WorkerCrashed:
        elapsed = supervised.elapsed()
        self._ends_soon()
        code = self._ended()
        how, hint = _explained(code)
        what = f"the process that shaped '{supervised.task}' crashed: process {self.pid} {how} "
        place = self._place() or supervised.file
        return WorkerCrashed(f"{what}after {elapsed:.1f} s", place, hint)

    def _too_long(self, supervised: _Supervised) -> HyggeError:
        elapsed = supervised.elapsed()
        if supervised.attempt is None:
            self._ended()
            what = f"process {self.pid} for '{supervised.task}' was not ready after {elapsed:.1f} s"
            return WorkerCrashed(what, "", "see what keeps the machine busy; then run again")
        # What it was doing is written down by Python's fault handler, and is what ends it.
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGCONT)
            os.kill(self.pid, signal.SIGABRT)
        self._ends_soon()
        self._ended()
        what = f"'{supervised.task}' took longer than its timeout of {supervised.limit:g} s: "
        hint = "see what it waits for, move smaller partitions, or raise 'timeout'"
        place = self._place() or supervised.file
        return Timeout(f"{what}process {self.pid} was ended after {elapsed:.1f} s", place, hint)

    def _ends_soon(self) -> None:
        """Wait until the process has ended by itself, but not for long."""
        until = time.monotonic() + SECONDS_TO_TELL
        while self.is_there and time.monotonic() < until:
            time.sleep(0.01)

    def _ended(self) -> int:
        """End the process and all that it started; return how it ended, negative for a signal."""
        end(self.pid, self._token)
        try:
            code = self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            # It waits for something in the system, and ends when that does; nobody waits for it.
            return -signal.SIGKILL
        self._told("-", self.pid, self._token)
        return code

    def _place(self) -> str:
        """Return the line of the project's code that was executed when the process ended."""
        self._places.seek(0)
        text = self._places.read().decode("utf-8", "replace")
        top = os.path.join(os.path.realpath(self._root), "")
        installed = os.path.join(os.path.realpath(sys.prefix), "")
        # What it was that crashed comes before what else there was.
        current = text.partition("Current thread")[2]
        for frame in [*_FRAME.finditer(current), *_FRAME.finditer(text)]:
            file = os.path.realpath(frame["file"])
            if (
                os.path.isabs(frame["file"])
                and file.startswith(top)
                and not file.startswith(installed)
            ):
                shown = Path(file).relative_to(top).as_posix()
                return f"{shown}:{frame['line']}, in {frame['name']}"
        return ""

    def close(self) -> None:
        """End the process, and all that it started and that is still there."""
        if self._process.returncode is None:
            self._ended()
        self._channel.close()
        self._places.close()


class _Supervised:
    """A piece of work with its limit."""

    def __init__(
        self, task: str, attempt: Attempt | None, limit: float | None, started: float
    ) -> None:
        self.task, self.attempt, self.limit, self.started = task, attempt, limit, started

    @property
    def file(self) -> str:
        """Where the flow is written."""
        return self.attempt.shaping.prepared.flow.file if self.attempt else ""

    def elapsed(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self.started

    def left(self) -> float | None:
        """Return the seconds that it may still take, more than 0; None for any."""
        return None if self.limit is None else max(self.limit - self.elapsed(), 0.0)


def _explained(code: int) -> tuple[str, str]:
    """Return in words how a process ended with *code*, and what to do about it."""
    if code >= 0:
        hint = "see what in the flow's Python function, or in what it calls, ends the process"
        return f"exited with code {code}", hint
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if -code == signal.SIGKILL:
        hint = "if memory ran out, move smaller partitions or fewer at once; else see who killed it"
    else:
        hint = "see what the line calls; a newer version of that library may do better"
    return f"was ended by {name}", hint
