"""This is where `doit clean` waits its turn: it must not remove what a run is writing."""

from __future__ import annotations

import inspect
from typing import Any

import doit.cmd_clean

from hygge import tasks
from hygge.commands.telling import Telling, expanded
from hygge.places import Places
from hygge.state import State


class Clean(Telling, doit.cmd_clean.Clean):  # type: ignore[misc]
    """doit's ``clean``; the next run finds the outputs missing and writes them again."""

    def _execute(self, **options: Any) -> None:
        if tasks.current.plan is not None:
            self.dep_manager.backend.kept = frozenset()
            if not options["dryrun"]:
                self.dep_manager.backend.begin()
            self._keep_to_stores(self.dep_manager.backend)
            options["pos_args"] = expanded(options["pos_args"] or [], self.task_list)
        super()._execute(**options)

    def _keep_to_stores(self, state: State) -> None:
        """Let nothing be removed that is remembered as an output, but lies in no store."""
        project, plan = tasks.project_here(), tasks.current.plan
        assert plan is not None
        places = Places.of(project.root, plan.flows, project.flows, state.stores())
        for task in self.task_list:
            if isinstance(task, tasks.PartitionTask):
                task.targets = [each for each in task.targets if places.hold(each)]

    _execute.__signature__ = inspect.signature(doit.cmd_clean.Clean._execute)  # type: ignore[attr-defined]
