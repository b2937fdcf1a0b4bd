"""This is where one run at a time is let into a project."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hygge import room
from hygge.errors import RunInProgress, StateError

if TYPE_CHECKING:
    import filelock

ROOM = 4096
"""Bytes that the lock's own files may take."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock."""

    pid: int
    """Process id."""
    command: str
    """What was typed."""
    since: str
    """Local time, hours, minutes and seconds."""


class ProjectLock:
    """A lock that the operating system takes back when its process ends, however it ends.

    Args:
        folder: The project's ``.hygge``; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: filelock.BaseFileLock | None = None
        self.was_left = False
        """Whether somebody who held it ended without giving it back, and what they left half-done
        is not known to be cleared away. It is known beside the state, which may be damaged."""

    def acquire(self, wait: bool = False) -> None:
        """Take the lock; does nothing if this object has it.

        Raises:
            RunInProgress: Another process has it and *wait* is False.
            StateError: The lock's file can't be written.
        """
        if self._lock is not None:
            return
        # Imported here: reading commands never lock.
        import filelock

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self._folder / "lock")
            lock.acquire(timeout=-1 if wait else 0)
            self._lock = lock
            self.was_left = os.path.lexists(self._holder_file)
            self._tell_holder()
        except filelock.Timeout as error:
            raise RunInProgress(
                "another run holds this project",
                self._holder(),
                "wait until it has ended, or let hygge wait: doit --wait",
            ) from error
        except OSError as error:
            raise StateError(
                f"the project can't be locked: {self._problem(error)}",
                str(self._folder / "lock"),
                "see to it that there is room and that you may write there",
            ) from error

    def release(self) -> None:
        """Give the lock back, if this object has it."""
        if self._lock is not None:
            if not self.was_left:
                with contextlib.suppress(OSError):
                    self._holder_file.unlink()
            self._lock.release()
            self._lock = None

    def _problem(self, error: OSError) -> str:
        problem = error.strerror or str(error)
        if room.is_full(problem):
            return f"{problem}: {room.amount(self._folder, ROOM)}"
        return problem

    def _tell_holder(self) -> None:
        # On a full disk nobody is told who holds the lock; it is held all the same.
        with contextlib.suppress(OSError):
            self._holder_file.write_text(json.dumps(_this_process().__dict__), encoding="utf-8")

    @property
    def _holder_file(self) -> Path:
        # Beside the lock: what opens a lock's file may empty it before it knows it is held.
        return self._folder / "lock.holder"

    def _holder(self) -> str:
        try:
            holder = Holder(**json.loads(self._holder_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            return str(self._folder / "lock")
        return f"process {holder.pid}, since {holder.since}: {holder.command}"


def _this_process() -> Holder:
    command = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
    return Holder(os.getpid(), command, time.strftime("%H:%M:%S"))
