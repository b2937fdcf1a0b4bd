"""This is where the facts of a run are written down, one line each, as they happen."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from hygge import redaction

RUN_ID = r"\d{8}T\d{9}Z-[0-9a-f]{6}"
"""What every run's id matches."""


def new_run_id() -> str:
    """Return an id that sorts by time: UTC to the millisecond, then chance."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}Z-{os.urandom(3).hex()}"


def is_run_id(text: str) -> bool:
    """Tell whether *text* is a run's id."""
    return re.fullmatch(RUN_ID, text) is not None


def timestamp() -> str:
    """Return the time now: ISO 8601 in UTC with milliseconds and ``Z``."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return now.replace("+00:00", "Z")


class EventLog:
    """The file ``events.jsonl`` of one run. Safe to use from several threads.

    Events are kept in memory until `open` is called: a run that has nothing to do leaves nothing.

    Args:
        runs: The project's ``.hygge/runs``.
        run: Id of the run.
    """

    def __init__(self, runs: Path, run: str) -> None:
        self.run = run
        self.file = runs / run / "events.jsonl"
        self.listener: Callable[[str], None] | None = None
        """Called with each line, without its line break, as it is emitted, open or not."""
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._open: IO[bytes] | None = None
        self._torn = False

    @property
    def is_open(self) -> bool:
        """Whether events go to the file."""
        return self._open is not None

    def open(self) -> None:
        """Write to the file from now on, and what was emitted before.

        A log that can't be written never stops a move: its events are lost.
        """
        with self._lock, contextlib.suppress(OSError):
            if self._open is None:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                self._open = self.file.open("ab", buffering=0)
                self._append(b"".join(self._waiting))
                self._waiting.clear()

    def emit(self, type_: str, step: str | None = None, level: str = "INFO", **data: Any) -> None:
        """Append one event; if the log is open it is with the operating system on return."""
        event: dict[str, Any] = {
            "ts": timestamp(),
            "level": level,
            "run_id": self.run,
            "job_id": self.run,
            "type": type_,
        }
        if step is not None:
            event["step"] = step
        if data:
            event["data"] = data
        line = redaction.as_json(event, default=str)
        with self._lock:
            self._write(line.encode("utf-8", "replace") + b"\n")
            if self.listener is not None:
                self.listener(line)

    def _write(self, line: bytes) -> None:
        if self._open is None:
            self._waiting.append(line)
            return
        self._append(line)

    def _append(self, lines: bytes) -> None:
        assert self._open is not None
        # Of a disk that was full for a moment, one event is torn and not the next one with it.
        rest = memoryview(b"\n" + lines if self._torn else lines)
        with contextlib.suppress(OSError):
            while rest:
                rest = rest[self._open.write(rest) :]
        self._torn = bool(rest) and (self._torn or len(rest) < len(lines))

    def close(self) -> None:
        """Close the file."""
        if self._open is not None:
            with contextlib.suppress(OSError):
                self._open.close()
            self._open = None
