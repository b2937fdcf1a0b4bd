"""This is where changes of the configuration are written down, in a folder of the watch's own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from hygge.events import EventLog, timestamp
from hygge.manifest import Manifest
from hygge.watching.changes import Change
from hygge.watching.sight import Trouble


class Record:
    """``.hygge/runs/<id of the watch>``, made when there is something to write down.

    It moves nothing: its manifest says at any time that all went well so far.

    Args:
        runs: The project's ``.hygge/runs``.
        watch: Id of the watch.
        command: What was typed.
    """

    def __init__(self, runs: Path, watch: str, command: Sequence[str]) -> None:
        self._events = EventLog(runs, watch)
        self._manifest = Manifest(watch, command, "", timestamp(), status="succeeded")

    def changed(self, changes: Iterable[Change]) -> None:
        """Write each of *changes*."""
        for each in changes:
            self._begin()
            self._events.emit(
                "config.changed",
                config_path=each.path,
                old_value=each.old,
                new_value=each.new,
                affected_modules=list(each.flows),
                timestamp=timestamp(),
            )
        self._sum_up()

    def rejected(self, troubles: Iterable[Trouble]) -> None:
        """Write why the configuration can't be used."""
        for each in troubles:
            self._begin()
            self._events.emit(
                "config.rejected",
                level="ERROR",
                config_path=each.file,
                error={"type": each.type, "what": each.what, "where": each.where}
                | {"hint": each.hint},
                timestamp=timestamp(),
            )
        self._sum_up()

    def close(self) -> None:
        """Write the end, if anything was written."""
        if self._events.is_open:
            seconds = self._manifest.seconds()
            self._events.emit(
                "job.succeeded", None, "INFO", seconds=seconds, **self._manifest.counts()
            )
            self._sum_up()
            self._events.close()

    def _begin(self) -> None:
        if not self._events.is_open:
            self._events.open()
            command = list(self._manifest.command)
            self._events.emit("job.started", command=command, pid=os.getpid(), planned=0)

    def _sum_up(self) -> None:
        if self._events.is_open:
            self._manifest.ended = timestamp()
            self._manifest.write(self._events.file.parent)
