"""This is where a run has its workers: one for each of its threads that needs one."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

from hygge.attempt import Attempt, Held
from hygge.workers import guard
from hygge.workers.worker import Worker


class Crew:
    """The workers of one run. Safe to use from several threads.

    A worker shapes one partition after the other, and is replaced after a failure. What this run
    can't end any more, because it was killed itself, is ended by a guard: a process that does
    nothing but wait for that.

    Args:
        root: The project's root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._all: set[Worker] = set()
        self._guard: subprocess.Popen[str] | None = None

    def attempt(self, task: str, attempt: Attempt, limit: float | None) -> Held:
        """Have *attempt* made for *task* by a worker, within *limit* seconds.

        Raises:
            WorkerCrashed: The worker has ended.
            Timeout: It took longer; nothing is left of the worker but what it staged.
            HyggeError: What the attempt raises.
        """
        worker = self._worker()
        try:
            return worker.attempt(task, attempt, limit)
        except BaseException:
            self._dismiss(worker)
            raise

    def _worker(self) -> Worker:
        mine: Worker | None = getattr(self._mine, "worker", None)
        if mine is not None and mine.is_there:
            return mine
        if mine is not None:
            self._dismiss(mine)
        self._mine.worker = worker = Worker(self._root, self._tell_guard)
        with self._lock:
            self._all.add(worker)
        return worker

    def _dismiss(self, worker: Worker) -> None:
        self._mine.worker = None
        with self._lock:
            self._all.discard(worker)
        worker.close()

    def _tell_guard(self, sign: str, group: int, token: str) -> None:
        with self._lock:
            if self._guard is None:
                self._guard = subprocess.Popen(
                    [sys.executable, "-I", "-S", guard.__file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    start_new_session=True,
                )
            assert self._guard.stdin is not None
            # If somebody killed it, workers end with their parent all the same.
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.write(f"{sign} {group} {token}\n")
                self._guard.stdin.flush()

    def close(self) -> None:
        """End all workers, and the guard. Does nothing if there are none."""
        for worker in list(self._all):
            worker.close()
        self._all.clear()
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
