"""This is where a run sums up what it has done so far, in a file that is whole at any moment."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hygge import redaction

SCHEMA_VERSION = 1
"""Raised when a key changes its meaning or goes."""

NAME = "manifest.json"

SECONDS_BETWEEN = 1.0
"""Shortest time between two writes while a run goes on."""

SHARE = 20
"""A write waits this many times as long as the last one took, so that large ones stay cheap."""

LIBRARIES = {"hygge": "hygge-data", "polars": "polars", "pyarrow": "pyarrow", "doit": "doit"}


@dataclass
class Manifest:
    """What is known of one run. Not safe to use from several threads at once."""

    run: str
    command: Sequence[str]
    """The words that were typed."""
    config_hash: str
    """Hash over the configuration of all flows."""
    started: str
    """ISO 8601 in UTC with milliseconds and ``Z``, as every time in it."""
    status: str = "running"
    ended: str | None = None
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By task: action, reason, rows, bytes, seconds."""
    failed: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By task: error_type, error_message."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Why, by task: what was kept back or set aside."""
    pending: dict[str, None] = field(default_factory=dict)
    """Tasks that are stale and not done yet, in order."""
    unchanged: int = 0
    ignored: int = 0
    files: list[dict[str, Any]] = field(default_factory=list)
    _began: float = field(default_factory=time.perf_counter)
    _next: float = 0.0

    def plan(self, tasks: Iterable[str]) -> None:
        """Add *tasks* to what is pending."""
        self.pending.update(dict.fromkeys(tasks))

    def counts(self) -> dict[str, int]:
        """Return how much was done."""
        moved = [each for each in self.done.values() if each["action"] == "moved"]
        return {
            "moved": len(moved),
            "removed": len(self.done) - len(moved),
            "unchanged": self.unchanged,
            "failed": len(self.failed),
            "not_run": len(self.skipped) - self.ignored,
            "ignored": self.ignored,
            "pending": len(self.pending),
            "rows": sum(each["rows"] or 0 for each in moved),
            "bytes": sum(each["bytes"] for each in moved),
        }

    def seconds(self) -> float:
        """Return for how long the run has been going on."""
        return round(time.perf_counter() - self._began, 3)

    def to_json(self) -> dict[str, Any]:
        """Return what is written, as hygge/schema/manifest.json describes it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run,
            "status": self.status,
            "started": self.started,
            "ended": self.ended,
            "command": list(self.command),
            "pid": os.getpid(),
            "config_hash": self.config_hash,
            "versions": versions(),
            "counts": self.counts(),
            "partitions": {
                "done": self.done,
                "failed": self.failed,
                "skipped": self.skipped,
                "pending": list(self.pending),
            },
            "files": self.files,
            "resources": {
                "seconds": self.seconds(),
                "cpu_seconds": round(time.process_time(), 3),
                "peak_memory_bytes": _peak_memory(),
            },
        }

    def write(self, folder: Path) -> None:
        """Replace the manifest in *folder* atomically.

        A manifest that can't be written never stops a move: the old one stays.
        """
        began = time.perf_counter()
        # A line for each key: an indented whole takes Python, and ten times as long.
        lines = (f'"{key}": {redaction.as_json(value)}' for key, value in self.to_json().items())
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        try:
            temporary_path(folder).write_text(text, encoding="utf-8", errors="replace")
            os.replace(temporary_path(folder), folder / NAME)
        except OSError:
            sweep(folder)
        now = time.perf_counter()
        self._next = now + max(SECONDS_BETWEEN, SHARE * (now - began))

    def write_if_due(self, folder: Path) -> None:
        """Do as `write` does, unless that was done a short while ago."""
        if time.perf_counter() >= self._next:
            self.write(folder)


def temporary_path(folder: Path) -> Path:
    """Return where the manifest that goes into *folder* is written.

    One place for all runs, beside their folders: what a killed run left there is found again.
    """
    return folder.parent / f".{NAME}.tmp"


def sweep(folder: Path) -> None:
    """Remove what was left where the manifest that goes into *folder* is written."""
    with contextlib.suppress(OSError):
        temporary_path(folder).unlink(missing_ok=True)


@functools.cache
def versions() -> Mapping[str, str]:
    """Return the versions of what makes a difference to data."""
    # Imported here: a run that moves nothing leaves no manifest.
    import platform
    from importlib import metadata

    found = {name: metadata.version(package) for name, package in LIBRARIES.items()}
    return {**found, "python": platform.python_version(), "platform": platform.platform()}


def _peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
