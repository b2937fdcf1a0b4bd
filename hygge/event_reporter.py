"""This is where a run tells programs what it does: its events, a line of JSON each, on stdout."""

from __future__ import annotations

import sys
from typing import IO, Any

from doit.exceptions import BaseFail
from doit.reporter import JsonReporter
from doit.task import Task

from hygge import tasks
from hygge.outlet import Outlet
from hygge.redaction import hide


class EventReporter:
    """Streams events as they happen; the last is ``job.succeeded``, ``failed`` or ``interrupted``.

    Nothing else goes to stdout meanwhile: what people's own tasks print goes to stderr. In a
    project that is not hygge's it is doit's own reporter of this name.
    """

    desc = "the run's events, a line of JSON each (hygge)"

    def __new__(cls, outstream: IO[str], options: dict[str, Any]) -> Any:
        """Return a reporter for the kind of project that this is."""
        return super().__new__(cls) if tasks.current.run else JsonReporter(outstream, options)

    def __init__(self, outstream: IO[str], options: dict[str, Any]) -> None:
        self._outlet = Outlet(outstream or sys.stdout)
        self._before = sys.stdout
        sys.stdout = sys.stderr
        assert tasks.current.run is not None
        tasks.current.run.recorder.events.listener = self._line

    def _line(self, line: str) -> None:
        self._outlet.write(line + "\n")
        self._outlet.flush()

    def add_failure(self, task: Task, fail: BaseFail) -> None:
        """Do nothing: there is an event of it."""

    def get_status(self, task: Task) -> None:
        """Do nothing."""

    def execute_task(self, task: Task) -> None:
        """Do nothing: there is an event of it."""

    def add_success(self, task: Task) -> None:
        """Do nothing: there is an event of it."""

    def skip_uptodate(self, task: Task) -> None:
        """Do nothing: it is counted."""

    def skip_ignore(self, task: Task) -> None:
        """Do nothing: there is an event of it."""

    def cleanup_error(self, exception: BaseFail) -> None:
        """Say what a teardown complains about."""
        sys.stderr.write(hide(exception.get_msg()) + "\n")

    def runtime_error(self, msg: str) -> None:
        """Say what doit complains about."""
        sys.stderr.write(hide(msg.rstrip()) + "\n")

    def teardown_task(self, task: Task) -> None:
        """Do nothing: a teardown is no news."""

    def complete_run(self) -> None:
        """Give stdout back.

        Raises:
            OSError: Not all events could be written; the run is done all the same.
        """
        sys.stdout = self._before
        self._outlet.complain()
