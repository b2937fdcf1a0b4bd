"""This is where a run says what it does: in its events, and summed up in its manifest."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hygge.events import EventLog, timestamp
from hygge.manifest import Manifest, sweep
from hygge.prepared import QUARANTINE
from hygge.receipt import Output, Receipt

if TYPE_CHECKING:
    from hygge.error_record import ErrorRecord
    from hygge.move import Moved
    from hygge.retrying import Told

SECONDS_BETWEEN_PROGRESS = 1.0


class Recorder:
    """Writes what one run leaves in ``.hygge/runs``. Safe to use from several threads.

    Nothing is written before `open` is called. What can't be written is lost; no move suffers.

    Args:
        root: The project's root.
        run: Id of the run.
    """

    def __init__(self, root: Path, run: str) -> None:
        self.events = EventLog(root / ".hygge" / "runs", run)
        self.manifest = Manifest(run, typed(), "", timestamp())
        self._lock = threading.RLock()
        self._told = time.perf_counter()

    @property
    def folder(self) -> Path:
        """Where it is written."""
        return self.events.file.parent

    def sweep(self) -> None:
        """Remove what a killed run was about to sum up; only one run at a time may be there."""
        sweep(self.folder)

    def begin(self, planned: Sequence[str], config_hash: str) -> None:
        """Note that the run begins, with the tasks that are known to be stale."""
        with self._lock:
            self.manifest.config_hash = config_hash
            self.manifest.plan(planned)
        words = list(self.manifest.command)
        self.events.emit("job.started", command=words, pid=os.getpid(), planned=len(planned))

    def plan(self, tasks: Iterable[str]) -> None:
        """Note that *tasks* turned out to be stale while others were moved."""
        with self._lock:
            self.manifest.plan(tasks)

    def open(self) -> None:
        """Write from now on, and what was noted before."""
        self.events.open()
        with self._lock:
            self.manifest.write_if_due(self.folder)

    def started(self, task: str, reason: str) -> None:
        """Note that a partition is about to be moved or removed."""
        self.events.emit("step.started", task, reason=reason)

    def files(self, task: str, moved: Moved, before: Receipt | None) -> None:
        """Note what a move has put into place, found unchanged and removed."""
        had = {output.path for output in before.outputs} if before else set()
        for output in moved.written:
            reason = "overwritten" if output.path in had else "created"
            self._file(task, **_described(output), wrote=True, reason=reason)
        for output in moved.unchanged:
            self._file(task, **_described(output), wrote=False, reason="nochange")
        self.removed_files(task, moved.removed)

    def removed_files(self, task: str, paths: Iterable[str]) -> None:
        """Note that outputs have been removed."""
        gone: dict[str, Any] = {"hash": None, "size_bytes": None, "rows": None}
        for path in paths:
            self._file(task, path=path, **gone, wrote=False, reason="removed")

    def _file(self, task: str, **described: Any) -> None:
        with self._lock:
            self.manifest.files.append({"step": task, **described})
        self.events.emit("file.written", task, **described)

    def succeeded(self, task: str, reason: str, moved: Moved | None) -> None:
        """Note that a partition was moved, or removed if *moved* is None, and that is recorded."""
        outputs = settled(moved) if moved else []
        counted = bool(moved) and all(each.rows is not None for each in outputs)
        data: dict[str, Any] = {
            "action": "moved" if moved else "removed",
            "reason": reason,
            "rows": sum(each.rows or 0 for each in outputs) if counted else None,
            "bytes": sum(each.signature.size for each in outputs),
            "seconds": round(moved.receipt.seconds, 6) if moved else 0.0,
        }
        notes = list(moved.notes) if moved else []
        with self._lock:
            self.manifest.pending.pop(task, None)
            self.manifest.done[task] = data
            self.manifest.write_if_due(self.folder)
        more = {"warnings": notes} if notes else {}
        self.events.emit("step.succeeded", task, "WARN" if notes else "INFO", **data, **more)
        self._tell_progress()

    def retried(self, task: str, told: Told) -> None:
        """Note that a partition could not be moved, and will be tried again."""
        self.events.emit(
            "provider.retry",
            task,
            "WARN",
            attempt=told.attempt,
            max_attempts=told.max_attempts,
            wait_s=round(told.wait_s, 3),
            error=f"{type(told.error).__name__}: {told.error}".split("\n")[0],
        )

    def failed(self, task: str, error: ErrorRecord) -> None:
        """Note that something could not be done."""
        self.open()
        with self._lock:
            self.manifest.pending.pop(task, None)
            told = {"error_type": error.error_type, "error_message": error.error_message}
            self.manifest.failed[task] = told
            self.manifest.write_if_due(self.folder)
        self.events.emit("step.failed", task, "ERROR", error=error.to_json())

    def skipped(self, task: str, why: str) -> None:
        """Note that something is not tried."""
        with self._lock:
            self.manifest.pending.pop(task, None)
            self.manifest.skipped[task] = why
        self.events.emit("step.skipped", task, reason=why)

    def ignored(self, task: str) -> None:
        """Note that a partition is set aside by a person."""
        with self._lock:
            self.manifest.ignored += 1
        self.skipped(task, "ignored")

    def unchanged(self, count: int = 1) -> None:
        """Note that *count* partitions are up to date."""
        with self._lock:
            self.manifest.unchanged += count

    def end(self, status: str) -> None:
        """Note that the run has ended.

        Args:
            status: ``succeeded``, ``failed`` or ``interrupted``.
        """
        with self._lock:
            self.manifest.status = status
            self.manifest.ended = timestamp()
            if self.events.is_open:
                self.manifest.write(self.folder)
            counts = self.manifest.counts()
        level = {"succeeded": "INFO", "failed": "ERROR"}.get(status, "WARN")
        data: dict[str, Any] = {"seconds": self.manifest.seconds(), **counts}
        self.events.emit(f"job.{status}", None, level, **data)
        self.events.close()

    def _tell_progress(self) -> None:
        with self._lock:
            if time.perf_counter() - self._told < SECONDS_BETWEEN_PROGRESS:
                return
            self._told = time.perf_counter()
            done = Counter(task.partition(":")[0] for task in self.manifest.done)
            pending = Counter(task.partition(":")[0] for task in self.manifest.pending)
        flows = {name: {"done": done[name], "pending": pending[name]} for name in done | pending}
        self.events.emit("progress", flows=flows)


def settled(moved: Moved) -> list[Output]:
    """Return the outputs in the store, without the rows that were set aside."""
    return [each for each in moved.receipt.outputs if not each.path.startswith(f"{QUARANTINE}/")]


def typed() -> list[str]:
    """Return the words that started this process, as they are typed."""
    program = os.path.basename(sys.argv[0])
    return ["doit" if program == "__main__.py" else program, *sys.argv[1:]]


def _described(output: Output) -> dict[str, Any]:
    return {
        "path": output.path,
        "hash": output.hash,
        "size_bytes": output.signature.size,
        "rows": output.rows,
    }
