"""Folders as runs leave them, written by hand, and terminals to look at them in."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conftest import ProjectFolder

BEGAN = datetime.datetime(2026, 1, 2, 8, 30, tzinfo=datetime.UTC)

AGO = re.compile(r"[\d,]+ (?:s|min|h|days) ago")


def run_id(minute: int = 0, tail: str = "abcdef") -> str:
    """Return the id of a run that began some minutes after `BEGAN`."""
    began = BEGAN + datetime.timedelta(minutes=minute)
    return f"{began:%Y%m%dT%H%M%S}000Z-{tail}"


def timestamp(seconds: float, minute: int = 0) -> str:
    whole = BEGAN + datetime.timedelta(minutes=minute, seconds=seconds)
    return whole.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class WrittenRun:
    """The folder of one run.

    Args:
        minute: When it began, in minutes after `BEGAN`.
    """

    def __init__(self, project: ProjectFolder, minute: int = 0, tail: str = "abcdef") -> None:
        self.id = run_id(minute, tail)
        self.minute = minute
        self.path = f".hygge/runs/{self.id}"
        self.folder = project.root / self.path
        self.folder.mkdir(parents=True)
        self.clock = 0.0

    def event(self, type_: str, step: str | None = None, level: str = "INFO", **data: Any) -> None:
        """Append an event, a tenth of a second after the one before."""
        event = {
            "ts": timestamp(self.clock, self.minute),
            "level": level,
            "run_id": self.id,
            "job_id": self.id,
            "type": type_,
            **({} if step is None else {"step": step}),
            **({"data": data} if data else {}),
        }
        self.clock += 0.1
        self.line(json.dumps(event))

    def line(self, text: str, end: str = "\n") -> None:
        """Append a line to the events, whatever it is."""
        with (self.folder / "events.jsonl").open("a", encoding="utf-8") as log:
            log.write(text + end)

    def moved(self, task: str, reason: str = "new", rows: int = 3, size: int = 1200) -> None:
        """Append the events of a partition that was moved."""
        path = f"data/store/{task.replace(':', '/')}.parquet"
        told = {"path": path, "hash": "0" * 32, "size_bytes": size, "rows": rows}
        self.event("step.started", task, reason=reason)
        self.event("file.written", task, **told, wrote=True, reason="created")
        outcome = {"action": "moved", "reason": reason, "rows": rows, "bytes": size}
        self.event("step.succeeded", task, **outcome, seconds=0.25)

    def failed(self, task: str, message: str, kind: str = "HomeError", **context: Any) -> None:
        """Append the events of a partition that failed."""
        self.event("step.started", task, reason="new")
        error = {"error_type": kind, "error_message": message, "context_data": context}
        self.event("step.failed", task, "ERROR", error=error)

    def manifest(self, **keys: Any) -> Mapping[str, Any]:
        """Write a manifest; what is not given is that of a run that did nothing."""
        told = {
            "schema_version": 1,
            "run_id": self.id,
            "status": "succeeded",
            "started": timestamp(0, self.minute),
            "ended": timestamp(3.4, self.minute),
            "command": ["doit"],
            "pid": 4_190_000,
            "config_hash": "0" * 32,
            "versions": {"hygge": "0.1.0"},
            "counts": counts(),
            "partitions": {"done": {}, "failed": {}, "skipped": {}, "pending": []},
            "files": [],
            "resources": {"seconds": 3.4, "cpu_seconds": 2.0, "peak_memory_bytes": 90_000_000},
            **keys,
        }
        (self.folder / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
        return told


def counts(**given: int) -> dict[str, int]:
    names = ("moved", "removed", "unchanged", "failed", "not_run", "ignored", "pending")
    return {**dict.fromkeys((*names, "rows", "bytes"), 0), **given}


def done(reason: str = "new", action: str = "moved", rows: int | None = 3) -> dict[str, Any]:
    """Return what a manifest says of a partition that went well."""
    return {"action": action, "reason": reason, "rows": rows, "bytes": 1200, "seconds": 0.25}


def steady(text: str) -> str:
    """Return *text* without what depends on when it was written, and how wide that is."""
    return re.sub(" {2,}", "  ", AGO.sub("N ago", text))


def in_terminal(project: ProjectFolder, width: int, *args: str) -> list[str]:
    """Type `doit` in a terminal of *width* columns; return the lines that it shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "doit", *args],
        cwd=project.root,
        env={**project.environment(TZ="UTC", TERM="xterm-256color")},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # its last writer has gone
            break
        if not part:
            break
        text += part
    os.close(ours)
    assert process.wait(60) == 0, text
    return text.decode().splitlines()


def dead_pid() -> int:
    """Return the number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def hold(project: ProjectFolder, pid: int) -> None:
    """Write down that process *pid* was the last to take the project's lock."""
    holder = {"pid": pid, "command": "doit", "since": "08:30:00"}
    project.write(".hygge/lock.holder", json.dumps(holder))


def this_minute() -> int:
    """Return the time in minutes after `BEGAN`, rounded up: this process began before."""
    return int((datetime.datetime.now(datetime.UTC) - BEGAN).total_seconds() / 60) + 1


def now() -> str:
    instant = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return instant.replace("+00:00", "Z")


def lines_of(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()
