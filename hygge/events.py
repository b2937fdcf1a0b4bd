"""This is where the facts of a run are written down, one line each, as they happen."""

from __future__ import annotations

import datetime
import json
import secrets
import threading
from pathlib import Path
from typing import IO, Any

RUN_ID = r"\d{8}T\d{9}Z-[0-9a-f]{6}"
"""What every run's id matches."""


def new_run_id() -> str:
    """Return an id that sorts by time: UTC to the millisecond, then chance."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}Z-{secrets.token_hex(3)}"


class EventLog:
    """The file ``events.jsonl`` of one run. Safe to use from several threads.

    The folder is made with the first event: a run that has nothing to do leaves nothing behind.

    Args:
        runs: The project's ``.hygge/runs``.
        run: Id of the run.
    """

    def __init__(self, runs: Path, run: str) -> None:
        self.run = run
        self.file = runs / run / "events.jsonl"
        self._lock = threading.Lock()
        self._open: IO[bytes] | None = None

    @property
    def begun(self) -> bool:
        """Whether anything was written."""
        return self._open is not None

    def emit(self, type_: str, step: str | None = None, level: str = "INFO", **data: Any) -> None:
        """Append one event; it is with the operating system when this returns.

        A log that can't be written never stops a move: the event is lost.
        """
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        event: dict[str, Any] = {
            "ts": now.replace("+00:00", "Z"),
            "level": level,
            "run_id": self.run,
            "job_id": self.run,
            "type": type_,
        }
        if step is not None:
            event["step"] = step
        if data:
            event["data"] = data
        line = json.dumps(event, ensure_ascii=False, default=str).encode("utf-8", "replace")
        try:
            with self._lock:
                self._opened().write(line + b"\n")
        except OSError:
            return

    def _opened(self) -> IO[bytes]:
        if self._open is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._open = self.file.open("ab", buffering=0)
        return self._open

    def close(self) -> None:
        """Close the file."""
        if self._open is not None:
            self._open.close()
            self._open = None
