"""This is where `doit clean` waits its turn: it must not remove what a run is writing."""

from __future__ import annotations

import inspect
from typing import Any

import doit.cmd_clean

from hygge import tasks
from hygge.commands.telling import Telling, expanded


class Clean(Telling, doit.cmd_clean.Clean):  # type: ignore[misc]
    """doit's ``clean``; the next run finds the outputs missing and writes them again."""

    def _execute(self, **options: Any) -> None:
        if tasks.current.plan is not None:
            self.dep_manager.backend.kept = frozenset()
            if not options["dryrun"]:
                self.dep_manager.backend.begin()
            options["pos_args"] = expanded(options["pos_args"] or [], self.task_list)
        super()._execute(**options)

    _execute.__signature__ = inspect.signature(doit.cmd_clean.Clean._execute)  # type: ignore[attr-defined]
