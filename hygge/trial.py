"""This is where a partition is moved in the process, and as often, as its flow says."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hygge.clearing import sweep
from hygge.errors import Timeout, WorkerCrashed
from hygge.handling import PROCESS
from hygge.prepared import Prepared
from hygge.recorder import Recorder

if TYPE_CHECKING:
    from hygge.attempt import Attempt, Held
    from hygge.move import Move, Moved
    from hygge.workers.crew import Crew


class Trial:
    """How one run tries to move its partitions. Safe to use from several threads.

    Args:
        root: The project's root.
        run: Id of the run.
        recorder: Told what is tried again.
    """

    def __init__(self, root: Path, run: str, recorder: Recorder) -> None:
        self._root, self._run, self._recorder = root, run, recorder
        self.is_stopping: Callable[[], bool] = lambda: False
        """Tells whether somebody asked for an orderly stop."""
        self._crew: Crew | None = None
        self._making = threading.Lock()

    def elsewhere(
        self, prepared: Prepared, task: str, intended: Sequence[str]
    ) -> Callable[[Attempt], Held] | None:
        """Return what attempts *task* in another process; None where this one will do.

        Args:
            intended: What it is about to make, outputs and temporary things.
        """
        flow = prepared.flow
        if flow.isolate != PROCESS:
            return None

        def attempt(each: Attempt) -> Held:
            try:
                return self._workers().attempt(task, each, flow.timeout)
            except (WorkerCrashed, Timeout):
                # As after a run that was killed: nobody else clears away what is half-written.
                sweep([(self._run, intended)], self._root)
                raise

        return attempt

    def moved(self, task: str, move: Move) -> Moved:
        """Make *move*, and make it again when what failed may pass by itself, if the flow says so.

        Raises:
            HyggeError: It was not made.
        """
        retry = move.shaping.prepared.flow.retry
        if retry is None:
            return move()
        from hygge.retrying import retrying

        tell = functools.partial(self._recorder.retried, task)
        return retrying(move, retry, tell, lambda: self.is_stopping())

    def _workers(self) -> Crew:
        # Imported here: most runs have no workers.
        from hygge.workers.crew import Crew

        with self._making:
            if self._crew is None:
                self._crew = Crew(self._root)
            return self._crew

    def close(self) -> None:
        """End what was started for the run."""
        if self._crew is not None:
            self._crew.close()
